from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from core.tenants.schemas import In

Scope = Annotated[str, StringConstraints(pattern=r"^can_[a-z_]{1,60}$")]


class ApiKeyIn(In):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    scopes: list[Scope] = Field(min_length=1, max_length=100, description="Permissions, none but your own")
    expires_at: AwareDatetime | None = None


class ApiKeyOut(BaseModel):
    """`prefix`: how the key begins."""

    id: UUID
    prefix: str
    name: str
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    rotated_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None


class ApiKeyMade(ApiKeyOut):
    """`key` is shown this once. Send it as `Authorization: Bearer sek_…`."""

    key: str
