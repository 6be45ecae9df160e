"""What a seller made of a suggestion, and what the ranking learns from it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from core.kit.db import Tx
from core.live.suggest import repository
from core.live.suggest.ranking import Ranking

Verdict = Literal["accepted", "dismissed"]
_RATING_SAYS = 0.5  # of what accepting or dismissing says


async def judge(tx: Tx, suggestion_id: UUID, verdict: Verdict) -> None:
    """Raises `NotFound`. The first word teaches; a later one is kept and teaches nothing more."""
    row = await repository.suggestion(tx, suggestion_id, lock=True)
    if row.verdict is None:
        await _teach(tx, row.features, 1.0 if verdict == "accepted" else 0.0, 1.0)
    row.verdict, row.answered_at = verdict, tx.clock.now()


async def rate(tx: Tx, suggestion_id: UUID, rating: int) -> None:
    """`rating`: 1 to 5."""
    row = await repository.suggestion(tx, suggestion_id, lock=True)
    if row.rating is None:
        await _teach(tx, row.features, (rating - 1) / 4, _RATING_SAYS)
    row.rating, row.answered_at = rating, tx.clock.now()


async def _teach(tx: Tx, features: dict[str, float], target: float, weight: float) -> None:
    kept = await repository.ranking_to_teach(tx)
    learnt = Ranking({name: (mean, precision) for name, (mean, precision) in kept.weights.items()})
    learnt.learn(features, target, weight=weight)
    kept.weights = {name: [round(mean, 6), round(precision, 6)] for name, (mean, precision) in learnt.weights.items()}
    kept.verdicts += 1
    kept.changed_at = tx.clock.now()
