from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from core.datascience.features.schemas import Words


class TraitOut(BaseModel):
    """One number of a group beside that of all accounts. `apart`: by how many standard deviations it lies above it."""

    feature: str
    description: Words
    group: float | None
    everybody: float | None
    apart: float


class GroupOut(BaseModel):
    """Customers that are alike, as they were found. `win_rate`: of the closed deals with them, null where there is
    none. `profile`: what sets it apart most comes first."""

    number: int
    name: Words
    description: Words
    accounts: int
    closed_deals: int
    win_rate: float | None
    profile: list[TraitOut]


class GroupsOut(BaseModel):
    """`silhouette`: how far groups lie apart, from -1 to 1. `stability`: how much the same groups are found among other
    accounts, 1 is always."""

    model_id: UUID
    version: int
    method: str
    learnt_until: datetime | None
    accounts: int
    silhouette: float
    stability: float
    groups: list[GroupOut]


class AccountGroupOut(BaseModel):
    """The group of one account. `certainty`: from 0, it might be the next best, to 1. `stale`: the account was
    looked at too long ago."""

    account_id: UUID
    group: GroupOut
    certainty: float
    at: datetime
    stale: bool
