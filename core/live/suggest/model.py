from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class SuggestionRow(TenantOwned, Base):
    """That something was suggested, what the ranking saw of it, and what the seller made of it: not what anybody said.
    `verdict`: accepted or dismissed; `rating`: 1 to 5. Each teaches the ranking once."""

    __tablename__ = "suggestions"

    session_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(16))
    entry: Mapped[str] = mapped_column(String(80))
    features: Mapped[dict[str, Any]]
    confidence: Mapped[float]
    asked: Mapped[bool]
    at: Mapped[datetime]
    verdict: Mapped[str | None] = mapped_column(String(16))
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    answered_at: Mapped[datetime | None]

    __table_args__ = (Index("suggestions_session", "session_id"),)


class SuggestionRanking(TenantOwned, Base):
    """What a tenant's sellers have taught: feature → [mean, precision]."""

    __tablename__ = "suggestion_rankings"

    weights: Mapped[dict[str, Any]]
    verdicts: Mapped[int]
    changed_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id"),)
