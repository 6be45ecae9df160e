from __future__ import annotations

from pydantic import BaseModel, Field

from core.identity.people.schemas import Group
from core.tenants.schemas import In


class DivisionOut(BaseModel):
    """`deals`: those that you may see. `provisioned`: the company's directory names it."""

    name: str
    people: int
    deals: int
    open_deals: int
    provisioned: bool


class Rename(In):
    old: Group
    new: Group
    merge: bool = Field(False, description="Whether `new` may be there already; both are one from then on")


class Renamed(BaseModel):
    """How much bore the old name."""

    people: int
    invitations: int
    deals: int
    accounts: int
    calls: int
