from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned


class Call(TenantOwned, Base):
    """`status`: uploaded → transcribed → analyzed → ready, or failed (with `error`). `stored`: not analysed for want of
    a legal basis, as `error` says. `erased`: somebody on it was forgotten. `object_key`: null once it is deleted."""

    __tablename__ = "calls"

    deal_id: Mapped[UUID | None] = mapped_column(ForeignKey("deals.id"), index=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str | None] = mapped_column(String(200), info={"personal": "mention"})
    status: Mapped[str] = mapped_column(String(16), default="uploaded")
    language: Mapped[str | None] = mapped_column(String(2))
    region: Mapped[str | None] = mapped_column(String(64))
    participants: Mapped[list[Any]] = mapped_column(default=list, info={"personal": "name"})
    seller_channel: Mapped[int] = mapped_column(default=0)
    object_key: Mapped[str | None] = mapped_column(String(300), info={"personal": "voice"})
    content_hash: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    duration_s: Mapped[float]
    channels: Mapped[int]
    codec: Mapped[str] = mapped_column(String(32))
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    created_at: Mapped[datetime]

    __table_args__ = (Index("calls_content", "tenant_id", "content_hash", unique=True),)


class Transcript(TenantOwned, Base):
    """What was said: a list of turns as in `core.calls.turns.Turn`. `id` is the call's."""

    __tablename__ = "transcripts"

    id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    language: Mapped[str] = mapped_column(String(2))
    language_confidence: Mapped[float]
    engine: Mapped[str] = mapped_column(String(100))
    turns: Mapped[list[Any]] = mapped_column(info={"personal": "speech"})
    created_at: Mapped[datetime]
