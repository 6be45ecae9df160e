"""What a rule would have done: its course over past events, in memory, with nothing written and nobody told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.automation.rules import repository
from core.automation.rules.calendar import WorkingDays
from core.automation.rules.company import working_days
from core.automation.rules.course import Firing, Live, Verdict, Wait, resume, take
from core.automation.rules.definition import Definition
from core.automation.rules.facts import SOURCES, Known, Moment, moment
from core.kit.db import Tx
from core.kit.ids import new_id

MOST_EVENTS = 5_000
MOST_EXAMPLES = 20
_BREATHE_EVERY = 100


@dataclass(slots=True)
class Told:
    """`since`: from when on events were looked at; `cut`: there were more before that. `answered`: waits that ended
    with the customer's word; `waiting`: those that are not over yet."""

    since: datetime
    cut: bool
    events: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    answered: int = 0
    waiting: int = 0
    firings: list[Firing] = field(default_factory=list)
    names: Mapping[UUID, str] = field(default_factory=dict)


class Imagined:
    """`Memory` that ends with the dry run."""

    def __init__(self, known: Mapping[UUID, Known]) -> None:
        self._known = known
        self.waits: dict[tuple[UUID, UUID], Wait] = {}
        self.firings: list[Firing] = []
        self.cancelled = 0

    async def known(self, moment: Moment) -> Known:
        return self._known[moment.deal_id]

    async def wait(self, wait: Wait) -> None:
        self.waits[wait.rule_id, wait.moment.deal_id] = wait

    async def answered(self, deal_id: UUID) -> None:
        for key, wait in list(self.waits.items()):
            if key[1] == deal_id and wait.until_answered:
                del self.waits[key]
                self.cancelled += 1

    async def fired_since(self, rule_id: UUID, deal_id: UUID | None, since: datetime) -> int:
        return sum(
            firing.at > since
            for firing in self.firings
            if firing.rule.id == rule_id and deal_id in (None, firing.moment.deal_id)
        )

    async def fire(self, firing: Firing) -> None:
        self.firings.append(firing)

    def due(self, by: datetime) -> Wait | None:
        """The first that is due by then, taken away."""
        first = min(self.waits.values(), key=lambda wait: wait.due_at, default=None)
        if first is None or first.due_at > by:
            return None
        return self.waits.pop((first.rule_id, first.moment.deal_id))


async def dry_run(tx: Tx, says: Definition, days: int) -> Told:
    now = tx.clock.now()
    since = now - timedelta(days=days)
    events = await repository.happened(tx, SOURCES, since, MOST_EVENTS + 1)
    cut = len(events) > MOST_EVENTS
    moments = [found for event in events[-MOST_EVENTS:] if (found := moment(event)) is not None]
    rule = Live(new_id(), 1, says)
    known = await _known(tx, [one for one in moments if one.trigger == says.on])
    told = Told(events[-MOST_EVENTS].at if cut else since, cut, len(moments))
    memory = await imagine(rule, moments, known, await working_days(tx), now, told.verdicts)
    told.answered, told.waiting, told.firings = memory.cancelled, len(memory.waits), memory.firings
    told.names = {deal_id: one.story.deal.name for deal_id, one in known.items()}
    return told


async def imagine(
    rule: Live, moments: Sequence[Moment], known: Mapping[UUID, Known], calendar: WorkingDays, until: datetime,
    verdicts: Counter[Verdict],
) -> Imagined:  # fmt: skip
    """The rule's course over what happened, in its order, and over what became due meanwhile."""
    memory = Imagined(known)
    for number, one in enumerate(moments):
        await _ring(memory, rule, one.at, calendar, verdicts)
        verdicts.update(verdict for _, verdict in await take(memory, [rule], one, calendar))
        if number % _BREATHE_EVERY == 0:
            await asyncio.sleep(0)
    await _ring(memory, rule, until, calendar, verdicts)
    return memory


async def _ring(memory: Imagined, rule: Live, by: datetime, calendar: WorkingDays, verdicts: Counter[Verdict]) -> None:
    while (wait := memory.due(by)) is not None:
        verdicts[await resume(memory, rule, wait, new_id(), wait.due_at, calendar)] += 1


async def _known(tx: Tx, moments: Collection[Moment]) -> dict[UUID, Known]:
    deal_ids = {one.deal_id for one in moments}
    stories = await repository.stories(tx, deal_ids)
    scores = await repository.forecasts(tx, deal_ids)
    heard = await repository.heard(tx, {one.call_id for one in moments if one.call_id is not None})
    return {deal_id: Known(story, scores.get(deal_id, []), heard) for deal_id, story in stories.items()}
