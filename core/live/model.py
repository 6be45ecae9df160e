from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class LiveSessionRow(TenantOwned, Base):
    """`status`: running → ended. `call_id`: the recorded call that it became; `error` says why there is none. What was
    said lies in the call alone; `metrics` are numbers, as `core.live.talk` measures them."""

    __tablename__ = "live_sessions"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    deal_id: Mapped[UUID | None] = mapped_column(ForeignKey("deals.id"), index=True)
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"))
    status: Mapped[str] = mapped_column(String(16), default="running")
    reason: Mapped[str | None] = mapped_column(String(24))
    language: Mapped[str] = mapped_column(String(2))
    channels: Mapped[int]
    duration_s: Mapped[float] = mapped_column(default=0.0)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
