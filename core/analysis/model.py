from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Sentiment(TenantOwned, Base):
    """One mood for each turn of the call's transcript, in its order. `id` is the call's."""

    __tablename__ = "sentiments"

    id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    moods: Mapped[list[Any]] = mapped_column(info={"personal": "opinion"})
    created_at: Mapped[datetime]


class CallInsights(TenantOwned, Base):
    """What the call showed, as in `core.analysis.conversation.Insights`. `id` is the call's."""

    __tablename__ = "insights"

    id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    score: Mapped[int]
    data: Mapped[dict[str, Any]] = mapped_column(info={"personal": "speech"})
    created_at: Mapped[datetime]
