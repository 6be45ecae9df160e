from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class TaskAttempt(TenantOwned, Base):
    """One try to carry a task out, written before it begins. `outcome`: begun | done | failed | refused | held; one
    that stays `begun` was cut short, and whether it arrived is not known."""

    __tablename__ = "task_attempts"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    destination: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(8))
    error: Mapped[str | None] = mapped_column(String(300))
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "task_id", "number"),
        Index("task_attempts_log", "tenant_id", "id"),
    )


class AutomationPause(TenantOwned, Base):
    """While its row is there, nothing is carried out for the tenant."""

    __tablename__ = "automation_pauses"

    by: Mapped[UUID | None]
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id"),)


class AutomationHalt(Base):
    """While a row is there, nothing is carried out for anybody."""

    __tablename__ = "automation_halts"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    reason: Mapped[str] = mapped_column(String(300))
    at: Mapped[datetime]
