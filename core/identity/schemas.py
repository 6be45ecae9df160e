from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from core.identity.factors.schemas import Code
from core.tenants.schemas import In, Slug


class LogIn(In):
    email: EmailStr
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code: Code | None = Field(None, description="Of the second factor, where the account has one")
    tenant: Slug | None = Field(None, description="Needed only where one address belongs to several tenants")


class Refresh(In):
    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Reauthenticate(In):
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code: Code | None = Field(None, description="Of the second factor, where the account has one")


class SessionOpened(BaseModel):
    """Send `access_token` as bearer; exchange `refresh_token` once by POST /v1/refresh before it expires."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the kind of token (RFC 6750), no secret
    expires_in_s: int
    refresh_token: str
    session_id: UUID
    tenant_id: UUID
    user_id: UUID


class SessionOut(BaseModel):
    """`current`: the one that asks."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    method: str
    address: str | None
    user_agent: str | None
    place: str | None = Field(description="Where the address is; null where nobody knows")
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = False
