"""Rules over events as they come: one after another per tenant, each in the transaction that ends its delivery, so
each takes effect once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.automation.rules import repository, waits
from core.automation.rules.act import act
from core.automation.rules.calendar import WorkingDays
from core.automation.rules.company import working_days
from core.automation.rules.course import Firing, Live, Wait, resume, take
from core.automation.rules.definition import Definition
from core.automation.rules.facts import Known, Moment, moment
from core.automation.rules.model import RuleVersion
from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.events import Event, EventType


async def react(tx: Tx, event: Event) -> None:
    if event.type is EventType.TIMER_DUE:
        if event.data["kind"] == waits.TIMER:
            await _go_on(tx, event)
        return
    happened = moment(event)
    if happened is None:
        return
    rules = lives(await repository.enabled(tx, happened.trigger))
    if not rules and not happened.answers:
        return
    calendar = await working_days(tx)
    await take(Rows(tx, calendar), rules, happened, calendar)


async def _go_on(tx: Tx, event: Event) -> None:
    wait = await waits.take(tx, event.data["key"], event.at)
    rules = lives(await repository.enabled(tx, rule_id=wait.rule_id)) if wait else []
    if wait is not None and rules:
        calendar = await working_days(tx)
        await resume(Rows(tx, calendar), rules[0], wait, event.id, event.at, calendar)


def lives(said: Sequence[RuleVersion]) -> list[Live]:
    return [Live(row.rule_id, row.version, Definition.model_validate(row.definition)) for row in said]


class Rows:
    """`Memory` in the database, within one transaction."""

    def __init__(self, tx: Tx, calendar: WorkingDays) -> None:
        self._tx = tx
        self._calendar = calendar
        self._known: Known | None = None

    async def known(self, moment: Moment) -> Known:
        if self._known is None:
            await deals.keep_still(self._tx, moment.deal_id)
            story = (await repository.stories(self._tx, [moment.deal_id]))[moment.deal_id]
            scores = await repository.forecasts(self._tx, [moment.deal_id])
            heard = await repository.heard(self._tx, [moment.call_id] if moment.call_id else [])
            self._known = Known(story, scores.get(moment.deal_id, []), heard)
        return self._known

    async def wait(self, wait: Wait) -> None:
        await waits.put(self._tx, wait)

    async def answered(self, deal_id: UUID) -> None:
        await waits.drop(self._tx, deal_id=deal_id)

    async def fired_since(self, rule_id: UUID, deal_id: UUID | None, since: datetime) -> int:
        return await repository.fired_since(self._tx, rule_id, deal_id, since)

    async def fire(self, firing: Firing) -> None:
        await act(self._tx, firing, await self.known(firing.moment), self._calendar)
