from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Task(TenantOwned, Base):
    """What the agent or a rule (`rule_id`) decided, and why. `status`: suggested | waiting | approved | dismissed |
    done | failed | withdrawn. `withdrawn_because`: customer_answered | deal_closed."""

    __tablename__ = "tasks"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"))
    event_id: Mapped[UUID]
    rule_id: Mapped[UUID | None] = mapped_column(ForeignKey("rules.id"))
    kind: Mapped[str] = mapped_column(String(32))
    template: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    title: Mapped[str] = mapped_column(String(300), info={"personal": "name"})
    reasons: Mapped[list[Any]]
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    withdrawn_because: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "event_id", "kind", "rule_id", name="tasks_once", postgresql_nulls_not_distinct=True
        ),
        Index("tasks_status", "tenant_id", "status"),
        Index("tasks_deal", "deal_id", "status"),
    )


class HandledEvent(TenantOwned, Base):
    """The residents' inbox: `id` is the event's. What stands here, that resident never takes again."""

    __tablename__ = "handled_events"

    resident: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime]


class ResidentTurn(Base):
    """How many events a resident of a tenant took. Its lock is the turn: who holds it is alone."""

    __tablename__ = "resident_turns"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    resident: Mapped[str] = mapped_column(String(32), primary_key=True)
    turn: Mapped[int] = mapped_column(BigInteger)
