from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Hex = Annotated[bytes, PlainSerializer(bytes.hex, return_type=str)]


class AuditEntryOut(BaseModel):
    """`hash` is SHA-256 over the entry as canonical JSON, in which `previous_hash` stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    seq: int
    at: datetime
    actor_id: UUID | None = Field(description="The user; null: the machinery")
    actor_kind: str
    address: str | None = Field(description="From where; null also where it was erased")
    address_hash: Hex | None
    action: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]
    previous_hash: Hex
    hash: Hex
