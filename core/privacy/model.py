from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Consent(TenantOwned, Base):
    """One line of a contact's history: a basis was given, or withdrawn (`withdrawn_at`). Lines are only added; of each
    purpose the newest counts. `evidence`: where it is known from, in the words of who recorded it."""

    __tablename__ = "consents"

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(16))
    basis: Mapped[str] = mapped_column(String(24))
    given_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    evidence: Mapped[str | None] = mapped_column(String(2000), info={"personal": "mention"})
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime]

    __table_args__ = (Index("consents_contact", "contact_id", "purpose"),)


class PrivacySettings(TenantOwned, Base):
    """One row a tenant, made when it is first needed. `*_basis`: what holds for a contact of whom nothing is recorded
    (`consent`: nothing without it). `*_days`: how long something is kept, null for ever."""

    __tablename__ = "privacy_settings"

    recording_basis: Mapped[str] = mapped_column(String(24), default="legitimate_interest")
    analysis_basis: Mapped[str] = mapped_column(String(24), default="legitimate_interest")
    marketing_basis: Mapped[str] = mapped_column(String(24), default="consent")
    audio_days: Mapped[int | None]
    transcript_days: Mapped[int | None]
    draft_days: Mapped[int | None]
    contact_days: Mapped[int | None]
    prediction_days: Mapped[int | None]
    salt: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("tenant_id"),)


class PersonRequest(TenantOwned, Base):
    """Somebody's copy (`export`) or erasure. `status`: waiting | done | failed | expired. `email` goes once it is done:
    who it was about must not stay here either. `counts`: how many rows of each table, and recordings."""

    __tablename__ = "person_requests"

    kind: Mapped[str] = mapped_column(String(8))
    contact_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    email: Mapped[str | None] = mapped_column(String(254), info={"personal": "contact"})
    reason: Mapped[str | None] = mapped_column(String(500), info={"personal": "mention"})
    status: Mapped[str] = mapped_column(String(8), default="waiting")
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    object_key: Mapped[str | None] = mapped_column(String(300), info={"personal": "copy"})
    requested_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Tombstone(TenantOwned, Base):
    """An e-mail address that was erased, as HMAC-SHA-256 under the tenant's salt: it can be recognised, not read."""

    __tablename__ = "tombstones"

    email_hash: Mapped[bytes] = mapped_column(LargeBinary)
    erased_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "email_hash"),)
