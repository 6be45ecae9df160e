from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, REAL, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class PlaybookEntry(TenantOwned, Base):
    """Something to say (`say`) when something happens (`on`, as in `core.live.playbook.entries.TRIGGERS`); `examples`
    are what customers say then. `vector`: of the examples, unit length; it goes when they are changed without it."""

    __tablename__ = "playbook_entries"

    kind: Mapped[str] = mapped_column(String(16))
    language: Mapped[str] = mapped_column(String(2))
    on: Mapped[list[Any]]
    say: Mapped[str] = mapped_column(info={"personal": "mention"})
    examples: Mapped[list[Any]] = mapped_column(info={"personal": "mention"})
    vector: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))
    is_enabled: Mapped[bool]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (Index("playbook_entries_used", "tenant_id", "language", "is_enabled"),)
