"""Champion against challenger on the tenant's own traffic: who is better, as outcomes come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from core.datascience.drift import repository
from core.datascience.drift.repository import Outcome
from core.datascience.drift.sequential import Duel, Standing, split_difference
from core.datascience.models import paired
from core.datascience.models import repository as models
from core.datascience.models.evidence import number
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import CHALLENGER, CHAMPION, Scope
from core.kit.db import Tx
from core.kit.errors import Conflict

_EXPECTED_BRIER = 0.2
TOGETHER = timedelta(minutes=5)
"""How far behind the champion's answer the shadow's may be written."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two versions said of one input of a deal that is closed now. `won`: it came as the context means it."""

    deal_id: UUID
    closed_at: datetime
    won: bool
    champion: float
    challenger: float


@dataclass(frozen=True, slots=True)
class Live:
    """`comparisons`: AUC and Brier score of the shadow's pairs as of now, to look at; the standing alone decides."""

    champion: ModelVersion
    challenger: ModelVersion
    since: datetime
    standing: Standing
    comparisons: tuple[paired.Difference, ...]


async def standing(tx: Tx, version_id: UUID, *, alpha: float = 0.05) -> Live:
    """Of a version that challenges, since its challenge began. Raises `Conflict` where it does not."""
    row = await models.version(tx, version_id)
    if row.alias != CHALLENGER:
        raise Conflict("This version challenges nobody. POST /v1/insights/models/{id}/challenge lets it.")
    champion = await models.bearer(tx, row.context, Scope.parse(row.scope), CHAMPION)
    if champion is None:
        raise Conflict("There is no champion in its scope to be challenged.")
    changes = await models.changes(tx, row.id)
    since = max(change.at for change in changes if change.action == "challenger")
    since = max(since, champion.promoted_at or since)  # another champion is another duel
    others = await repository.answers(tx, champion, "champion", since)
    if row.share:
        his = await repository.answers(tx, row, "challenger", since)
        found = await asyncio.to_thread(of_split, others, his, row.share, alpha)
        return Live(champion, row, since, found, ())
    pairs = paired_up(others, await repository.answers(tx, row, "shadow", since))
    found = await asyncio.to_thread(of_pairs, pairs, alpha)
    return Live(champion, row, since, found, await asyncio.to_thread(_looked_at, pairs))


def paired_up(champion: Sequence[Outcome], shadow: Sequence[Outcome]) -> list[Pair]:
    """Where both answered the same input, in the order of closing. The shadow answers a moment after the champion."""
    asked: dict[tuple[UUID, str], list[Outcome]] = {}
    for told in champion:
        asked.setdefault(_question(told), []).append(told)
    pairs = []
    for his in shadow:
        before = [told for told in asked.get(_question(his), ()) if told.at <= his.at <= told.at + TOGETHER]
        if before:
            pairs.append(Pair(his.deal_id, his.closed_at, his.won, before[-1].probability, his.probability))
    return pairs


def _question(told: Outcome) -> tuple[UUID, str]:
    return told.deal_id, json.dumps(told.input, sort_keys=True)


def of_pairs(pairs: Sequence[Pair], alpha: float) -> Standing:
    """By Brier score; each deal once, in the order of closing."""
    duel = Duel(alpha)
    for _, some in groupby(pairs, key=lambda pair: pair.deal_id):
        gains = [(p.champion - p.won) ** 2 - (p.challenger - p.won) ** 2 for p in some]
        duel.add(sum(gains) / len(gains))
    return duel.standing()


def of_split(champion: Sequence[Outcome], challenger: Sequence[Outcome], share: float, alpha: float) -> Standing:
    """The two answered different deals, drawn by chance."""
    deals = [(closed_at, deal_id, loss, False) for closed_at, deal_id, loss in _losses(champion)]
    deals += [(closed_at, deal_id, loss, True) for closed_at, deal_id, loss in _losses(challenger)]
    duel, expected = Duel(alpha), _EXPECTED_BRIER
    for count, (_, _, loss, his) in enumerate(sorted(deals), 2):
        duel.add(split_difference(loss, expected, share, his))
        expected += (loss - expected) / count
    return duel.standing()


def _losses(closed: Sequence[Outcome]) -> list[tuple[datetime, UUID, float]]:
    found = []
    for deal_id, some in groupby(closed, key=lambda outcome: outcome.deal_id):
        rows = list(some)
        found.append((rows[0].closed_at, deal_id, sum((o.probability - o.won) ** 2 for o in rows) / len(rows)))
    return found


def _looked_at(pairs: Sequence[Pair]) -> tuple[paired.Difference, ...]:
    import numpy as np

    won = np.array([pair.won for pair in pairs], np.float64)
    if not len(won) or won.min() == won.max():
        return ()
    b, a = (np.array([getattr(pair, who) for pair in pairs], np.float64) for who in ("champion", "challenger"))
    deal = np.array([number(pair.deal_id) for pair in pairs], np.int64)
    return paired.delong(won, a, b, deal), paired.bootstrap(won, a, b, deal, measure="brier")
