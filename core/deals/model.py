from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Account(TenantOwned, Base):
    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(200))
    segment: Mapped[str | None] = mapped_column(String(64))
    region: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Contact(TenantOwned, Base):
    __tablename__ = "contacts"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(200), info={"personal": "name"})
    email: Mapped[str | None] = mapped_column(String(254), info={"personal": "contact"})
    phone: Mapped[str | None] = mapped_column(String(32), info={"personal": "contact"})
    role: Mapped[str | None] = mapped_column(String(100), info={"personal": "occupation"})
    language: Mapped[str] = mapped_column(String(2), default="pt")
    created_at: Mapped[datetime]


class Deal(TenantOwned, Base):
    """`outcome` follows from the stage: `won`, `lost`, or null while it is open. `recorded_at`: when it was written
    down here; null: when it opened."""

    __tablename__ = "deals"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(200))
    value_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    stage: Mapped[str] = mapped_column(String(32))
    team: Mapped[str | None] = mapped_column(String(100))
    segment: Mapped[str | None] = mapped_column(String(64))
    region: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(String(64))
    products: Mapped[list[Any]] = mapped_column(default=list)
    crm_id: Mapped[str | None] = mapped_column(String(100))
    opened_at: Mapped[datetime]
    expected_close_on: Mapped[date | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(8))
    recorded_at: Mapped[datetime | None]

    __table_args__ = (
        Index("deals_open", "tenant_id", "outcome"),
        Index("deals_contact", "contact_id"),
        Index("deals_owner", "owner_id"),
    )


class DealChange(TenantOwned, Base):
    """One changed field of one deal: `before` and `after` as JSON. Stage history is `field = 'stage'`."""

    __tablename__ = "deal_changes"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    at: Mapped[datetime]
    field: Mapped[str] = mapped_column(String(32))
    before: Mapped[list[Any]]  # [value]: JSON has no other way to hold a bare null
    after: Mapped[list[Any]]
    user_id: Mapped[UUID | None]

    __table_args__ = (
        Index("deal_changes_deal", "deal_id", "at"),
        Index(
            "deal_changes_people", "tenant_id", "field", "at",
            postgresql_where=text("field IN ('owner_id', 'contact_id')"),
        ),
    )  # fmt: skip


class Activity(TenantOwned, Base):
    """One contact with the customer (`call`, `email`, `meeting`, `note`), and what a call showed. `recorded_at`: when
    it was written down here; null: when it happened."""

    __tablename__ = "activities"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    kind: Mapped[str] = mapped_column(String(16))
    direction: Mapped[str] = mapped_column(String(4))
    at: Mapped[datetime]
    call_id: Mapped[UUID | None] = mapped_column(unique=True)
    sentiment: Mapped[float | None]
    objections: Mapped[int] = mapped_column(default=0)
    unanswered_objections: Mapped[int] = mapped_column(default=0)
    competitors: Mapped[int] = mapped_column(default=0)
    buying_signals: Mapped[int] = mapped_column(default=0)
    has_next_step: Mapped[bool] = mapped_column(default=False)
    recorded_at: Mapped[datetime | None]

    __table_args__ = (Index("activities_deal", "deal_id", "at"),)
