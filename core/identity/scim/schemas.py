from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.tenants.schemas import In, Name


class ScimTokenIn(In):
    name: Name


class ScimTokenOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


class ScimTokenMade(ScimTokenOut):
    """`token` is shown this once. Several may be good at a time: make the next, change the client, delete the old."""

    token: str
    base_url: str
