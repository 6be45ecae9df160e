"""Residents that count, over a real database: once, in order, wherever the tenant is thought to be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, text

from core import bootstrap
from core.automation.agent.odds import EngineOracle
from core.automation.host import AgentHost
from core.automation.hosting import AGENT, HEALTH, Residents
from core.automation.residents import residents
from core.kit import timers
from core.kit.clock import VirtualClock
from core.kit.db import Database, Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from tests.fakes.engines import FakePredictor
from tests.support import Api, Client

TENANTS = [UUID(int=number) for number in range(1, 5)]


class Counting:
    """Keeps in memory how many events there were, and in the database (as timers) which number each had."""

    def __init__(self) -> None:
        self.count = -1

    async def restore(self, tx: Tx) -> None:
        self.count = (await tx.session.execute(text("SELECT count(*) FROM timers"))).scalar_one()

    async def handle(self, tx: Tx, fact: Event) -> None:
        number = self.count
        self.count += 1
        await asyncio.sleep(0)
        await timers.set_timers(tx, str(number), [timers.Timer(fact.id, tx.clock.now())])
        if fact.data.get("kind") == "fails":
            raise ValueError("no")


HOUSE: Residents = {"agent": Counting}


def fact(tenant: UUID = TENANTS[0], kind: str = "x") -> Event:
    return Event(EventType.TIMER_DUE, tenant, new_id(), {"kind": kind, "key": "k", "due_at": "2026-01-01T00:00:00Z"})


async def written(db: Database, tenant: UUID = TENANTS[0]) -> list[tuple[int, UUID]]:
    async with db.tenant(tenant) as tx:
        rows = await tx.session.execute(text("SELECT kind::int AS number, subject FROM timers ORDER BY 1"))
        return [(row.number, row.subject) for row in rows]


async def took(db: Database, hosts: Sequence[AgentHost], facts: Sequence[Event]) -> None:
    """Every host is given every event."""
    await asyncio.gather(*(host.handle(one) for one in facts for host in hosts))


async def test_a_repeated_event_takes_effect_once(db: Database) -> None:
    host, one = AgentHost(db, HOUSE), fact()
    for _ in range(3):
        await host.handle(one)
    await AgentHost(db, HOUSE).handle(one)
    assert await written(db) == [(0, one.id)]
    assert (host.counts.turns, host.counts.repeats, host.counts.restored) == (1, 2, 1)


async def test_each_resident_takes_the_event_for_itself(db: Database) -> None:
    one = fact()
    host = AgentHost(db, {"agent": Counting, "other": Counting})
    for name in ("agent", "other", "agent", "other"):
        await host.handle(one, name)
    assert await written(db) == [(0, one.id), (1, one.id)]


async def test_mail_is_taken_in_the_order_in_which_it_came(db: Database) -> None:
    host = AgentHost(db, HOUSE, at_once=3)
    facts = [fact(TENANTS[number % 3]) for number in range(12)]
    await took(db, [host], facts)
    for place, tenant in enumerate(TENANTS[:3]):
        assert await written(db, tenant) == list(enumerate(one.id for one in facts[place::3]))


async def test_two_hosts_that_both_hold_a_tenant_count_as_one(db: Database) -> None:
    hosts = [AgentHost(db, HOUSE), AgentHost(db, HOUSE)]
    facts = [fact() for _ in range(10)]
    await took(db, hosts, facts)
    for number in range(4):
        facts.append(fact())
        await hosts[number % 2].handle(facts[-1])
    found = await written(db)
    # No number is missing or given twice: nobody went on from a memory that another had overtaken.
    assert [number for number, _ in found] == list(range(14))
    assert {event_id for _, event_id in found} == {one.id for one in facts}
    assert sum(host.counts.turns for host in hosts) == 14
    assert sum(host.counts.overtaken for host in hosts) > 0


async def test_what_fails_leaves_nothing_behind_and_may_come_again(db: Database) -> None:
    host, bad, good = AgentHost(db, HOUSE), fact(kind="fails"), fact()
    await host.handle(fact())
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await host.handle(bad)
    await host.handle(good)
    assert [number for number, _ in await written(db)] == [0, 1]
    assert host.counts.restored == 3  # at first, after each failure


async def test_the_idle_sleep_and_know_all_when_they_wake(db: Database, clock: VirtualClock) -> None:
    host = AgentHost(db, HOUSE, idle_s=600)
    await took(db, [host], [fact(tenant) for tenant in TENANTS])
    clock.advance(timedelta(seconds=500))
    await host.handle(fact(TENANTS[2]))
    clock.advance(timedelta(seconds=200))
    assert host.put_to_sleep() == 3
    assert host.awake() == [TENANTS[2]]
    await host.handle(fact(TENANTS[0]))
    assert [number for number, _ in await written(db, TENANTS[0])] == [0, 1]


async def test_no_more_than_so_many_are_awake(db: Database) -> None:
    host = AgentHost(db, HOUSE, most_awake=2)
    for tenant in TENANTS:
        await host.handle(fact(tenant))
    assert host.awake() == TENANTS[2:]


@pytest.mark.parametrize("name", [AGENT, HEALTH])
async def test_a_resident_is_restored_by_one_query(api: Api, ana: Client, name: str) -> None:
    tenant_id = UUID((await ana.get("/v1/me")).json()["tenant_id"])
    asked: list[str] = []
    async with api.services.db.tenant(tenant_id) as tx:
        await tx.session.execute(text("SELECT 1"))
        engine = api.services.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        await residents(EngineOracle(FakePredictor(), bootstrap.deal_inputs))[name]().restore(tx)
    assert len(asked) == 1, asked
