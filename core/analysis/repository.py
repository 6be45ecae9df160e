"""The queries about sentiments and insights."""

from __future__ import annotations

from uuid import UUID

from core.analysis.model import CallInsights, Sentiment
from core.kit.db import Tx


async def sentiment(tx: Tx, call_id: UUID) -> Sentiment | None:
    return await tx.session.get(Sentiment, call_id)


async def insights(tx: Tx, call_id: UUID) -> CallInsights | None:
    return await tx.session.get(CallInsights, call_id)


async def save(tx: Tx, row: Sentiment | CallInsights) -> None:
    """Insert or, where the call is analysed anew, replace."""
    await tx.session.merge(row)
    await tx.session.flush()
