"""What is old goes by itself, and what may be replayed is still known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from core.automation.prune import REMEMBERED, TOLD
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.pipeline_health import repository as health
from core.pipeline_health.keep import KEPT
from tests.core.automation.agent.test_watch import fell, work
from tests.core.automation.conftest import Office

HANDLED = "SELECT count(*) FROM handled_events WHERE resident = 'agent'"
DECIDED = "SELECT count(*) FROM agent_decisions"


async def test_inbox_and_decisions_are_pruned_day_by_day(office: Office) -> None:
    await fell(office)
    [(handled,)] = await office.rows(HANDLED)
    [(decided,)] = await office.rows(DECIDED)
    assert await office.rows("SELECT count(*) FROM timers WHERE kind = 'automation.prune'") == [(1,)]
    office.clock.advance(REMEMBERED - timedelta(days=1))
    await work(office)
    assert (await office.rows(HANDLED))[0][0] >= handled, "they may be replayed"
    office.clock.advance(timedelta(days=2))
    await work(office)
    kept = "SELECT count(*) FROM handled_events WHERE resident = 'agent' AND at < :before"
    assert await office.rows(kept, before=office.clock.now() - REMEMBERED) == [(0,)]
    assert (await office.rows(DECIDED))[0][0] >= decided
    office.clock.advance(TOLD)
    await work(office)
    assert await office.rows(DECIDED + " WHERE at < :before", before=office.clock.now() - TOLD) == [(0,)]
    assert await office.rows("SELECT count(*) FROM timers WHERE kind = 'automation.prune'") == [(1,)]


async def test_what_is_older_than_the_inbox_is_not_taken_again(office: Office) -> None:
    data = {"probability": 0.1, "before": 0.9}
    old = Event(
        EventType.FORECAST_CHANGED, office.tenant_id, office.deal_id, data, id=new_id(),
        at=office.clock.now() - REMEMBERED - timedelta(seconds=1),
    )  # fmt: skip
    [(before,)] = await office.rows(DECIDED)
    await office.api.services.agents.handle(old)
    assert await office.rows(DECIDED) == [(before,)]
    await office.api.services.agents.handle(replace(old, at=office.clock.now()))
    assert await office.rows(DECIDED) == [(before + 1,)]


async def test_points_of_health_are_kept_for_three_years(office: Office) -> None:
    today = office.clock.now().date()
    async with office.api.services.db.tenant(office.tenant_id) as tx:
        for on in (today - KEPT - timedelta(days=2), today - KEPT + timedelta(days=2)):
            point = {"on": on, "dimension": "all", "key": "", "currency": "BRL", "figures": {}, "at": tx.clock.now()}
            await health.put_points(tx, [point])
    office.clock.advance(timedelta(days=1))
    await office.work()
    [(oldest,)] = await office.rows('SELECT min("on") FROM health_points')
    assert isinstance(oldest, date)
    assert oldest == today - KEPT + timedelta(days=2)
