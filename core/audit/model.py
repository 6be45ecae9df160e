from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class AuditEntry(TenantOwned, Base):
    """One line of a tenant's trail. `seq` counts from 1 without a gap; `hash` covers everything here but `id`, and
    `previous_hash` with it. Of `address` it covers a salted hash, so that an erased address leaves the chain whole."""

    __tablename__ = "audit_entries"

    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None] = mapped_column(index=True)
    actor_kind: Mapped[str] = mapped_column(String(16))
    address: Mapped[str | None] = mapped_column(String(64), info={"personal": "network"})
    address_salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    address_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("tenant_id", "seq", name="audit_entries_seq"),)
