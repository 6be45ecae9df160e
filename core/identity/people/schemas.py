from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, EmailStr, Field, StringConstraints

from core.identity.factors.schemas import Code
from core.kit.passwords import NewPassword
from core.tenants.schemas import In, Name, Picture, Slug

RoleName = Annotated[str, StringConstraints(pattern=r"^[A-Z_]{1,32}$")]
Group = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UserChange(In):
    """Only what is named changes; `team` and `region` may be null. `is_active: false` suspends, at once."""

    name: Name = Field(default="", validate_default=False)
    roles: list[RoleName] = Field(default=[], min_length=1, max_length=10)
    team: Group | None = None
    region: Group | None = None
    avatar_url: Picture | None = None
    is_active: bool = True


class InvitationIn(In):
    email: EmailStr
    roles: list[RoleName] = Field(min_length=1, max_length=10)
    team: Group | None = None
    region: Group | None = None


class InvitationOut(BaseModel):
    id: UUID
    email: str
    roles: list[str]
    team: str | None
    region: str | None
    status: Literal["pending", "accepted", "revoked", "expired"]
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


class Accept(In):
    token: Token
    name: Name
    password: NewPassword


class Forgot(In):
    email: EmailStr
    tenant: Slug | None = Field(None, description="Else a mail for each company that knows the address")


class Reset(In):
    token: Token
    password: NewPassword


class ChangePassword(In):
    old_password: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    password: NewPassword
    code: Code | None = Field(None, description="Of the second factor, where the account has one")
