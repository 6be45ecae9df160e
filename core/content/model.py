from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Draft(TenantOwned, Base):
    """A written text, each fact in it with its source. `status`: draft | edited | approved."""

    __tablename__ = "drafts"

    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"), unique=True)
    deal_id: Mapped[UUID] = mapped_column(ForeignKey("deals.id"), index=True)
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"))
    kind: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(2))
    subject: Mapped[str] = mapped_column(String(300), info={"personal": "name"})
    body: Mapped[str] = mapped_column(info={"personal": "name"})
    facts: Mapped[list[Any]] = mapped_column(info={"personal": "name"})
    written_by: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), default="draft")
    created_at: Mapped[datetime]
