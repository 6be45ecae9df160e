"""Join transcript, moods and mentions of one call into its insights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from core.analysis import conversation, repository
from core.analysis.model import CallInsights
from core.calls.model import Call
from core.calls.turns import Turn
from core.kit.db import Tx
from core.ports import Emotion, Intention, Mood
from core.tenants import repository as tenants


async def aggregate(
    tx: Tx, call: Call, turns: Sequence[Turn], mentions: Sequence[Any], proposed: Sequence[Any]
) -> dict[str, Any]:
    """Write the insights; returns what the deal's history notes of the call."""
    row = await repository.sentiment(tx, call.id)
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)  # "next Tuesday" is said in the seller's own days
    moods = [_mood(raw) for raw in row.moods] if row else []
    found = conversation.insights(
        turns, moods, language=call.language or "pt", called_at=call.started_at.astimezone(zone), mentions=mentions,
        proposed=proposed,
    )  # fmt: skip
    saved = CallInsights(
        id=call.id, tenant_id=tx.tenant_id, score=found.score.points, data=found.to_json(), created_at=tx.clock.now()
    )
    await repository.save(tx, saved)
    return found.for_deal()


def _mood(raw: dict[str, Any]) -> Mood:
    return Mood(**{**raw, "emotion": Emotion(raw["emotion"]), "intention": Intention(raw["intention"])})
