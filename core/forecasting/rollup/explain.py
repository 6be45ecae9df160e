"""Explain a difference: the pipeline of both moments, one group of it, and why its deals moved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.datascience.predictions import words as said
from core.forecasting import rules
from core.forecasting.rollup import repository, words
from core.forecasting.rollup.changes import Effect, cents_to_come, effects, states
from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import Dimension, Position
from core.forecasting.rollup.snapshot import outlook_at
from core.kit.db import Tx
from core.kit.money import format_cents
from core.kit.pages import PageRequest
from core.ports import Reason

MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Explained:
    """`to_come_cents`: by how much the expectation of deals that are not opened yet changed."""

    before_cents: int
    after_cents: int
    to_come_cents: int
    effects: list[Effect]


async def explain(
    tx: Tx, since: datetime, until: datetime, period: Period, group: tuple[Dimension, str, str]
) -> Explained:
    """`group`: dimension, key, currency."""
    was = await repository.pipeline(tx, since, period)
    now = await repository.pipeline(tx, until, period, closed_since=since)
    outlooks = await outlook_at(tx, since, period), await outlook_at(tx, until, period)
    return await asyncio.to_thread(compare, was, now, (since, until), period, group, outlooks)


def compare(
    was: Sequence[Position], now: Sequence[Position], moments: tuple[datetime, datetime], period: Period,
    group: tuple[Dimension, str, str], outlooks: tuple[Outlook, Outlook],
) -> Explained:  # fmt: skip
    by, key, currency = group
    before, after = (
        states(positions, at, period, outlook.timing)
        for positions, at, outlook in zip((was, now), moments, outlooks, strict=True)
    )
    members = tuple(
        {p.deal_id for p in positions if (p.key(by), p.currency) == (key, currency)} for positions in (was, now)
    )
    found = effects(before, after, (members[0], members[1]))
    sums = [sum(side[deal].cents for deal in ids) for side, ids in zip((before, after), members, strict=True)]
    more = [cents_to_come(outlook, at, period, group) for outlook, at in zip(outlooks, moments, strict=True)]
    return Explained(sums[0] + more[0], sums[1] + more[1], more[1] - more[0], found)


def page_of(found: Sequence[Effect], page: PageRequest) -> tuple[list[Effect], str | None]:
    """The deals after the cursor, and the next one."""
    ids = [effect.position.deal_id for effect in found]
    start = ids.index(page.before) + 1 if page.before in ids else 0
    shown = list(found[start : start + page.limit])
    return shown, str(shown[-1].position.deal_id) if len(found) > start + page.limit else None


async def reasons(tx: Tx, shown: Sequence[Effect], language: str) -> dict[UUID, list[str]]:
    """Deal → why, in words."""
    wanted = {
        state.position.odds.id
        for effect in shown
        for state in (effect.before, effect.after)
        if "probability" in effect.parts and state and state.position.odds
    }
    known = await repository.reasons(tx, wanted) if wanted else {}
    return {effect.position.deal_id: _because(effect, known, language) for effect in shown}


def _because(effect: Effect, known: dict[UUID, list[dict[str, object]]], language: str) -> list[str]:
    if effect.before is None or effect.after is None:
        return []
    was, now = effect.before.position, effect.after.position
    found = []
    if was.value_cents != now.value_cents:
        amounts = [format_cents(p.value_cents, p.currency, language) for p in (was, now)]
        found.append(f"{amounts[0]} → {amounts[1]}")
    before, after = was.odds, now.odds
    if now.outcome is not None or before is None or after is None:
        return found
    if "probability" in effect.parts:
        found.append(f"{before.probability:.0%} → {after.probability:.0%}")
        if (before.model, before.version) != (after.model, after.version):
            found.append(words.retrained(before.version, after.version, language))
        old, new = ([Reason(**one) for one in known.get(odds.id, [])] for odds in (before, after))  # type: ignore[arg-type]
        found += [said.explain(reason, language) for reason in rules.change(old, new)[:MOST_REASONS]]
    if before.close_on != after.close_on and set(effect.parts) & {"pulled_in", "slipped"}:
        found.append(f"{before.close_on} → {after.close_on}")
    return found
