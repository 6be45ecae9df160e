"""Timers over a real database, on virtual time."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core import bootstrap
from core.kit import timers
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Reaction, Relay, routes
from core.kit.timers import Ticker, Timer
from core.settings import Settings
from tests.conftest import NOW

seen: list[tuple[str, str]] = []


async def note(event: Event, tx: object, services: object) -> None:
    seen.append((event.data["kind"], event.data["key"]))


REACTIONS = [Reaction("test.note", EventType.TIMER_DUE, note)]


@pytest.fixture
async def house(settings: Settings, clock: VirtualClock) -> Database:
    seen.clear()
    return Database(bootstrap.database_url(settings), routes=routes(REACTIONS), clock=clock)


async def set_one(house: Database, tenant: UUID, key: str, due_at: datetime, *, earliest: bool = False) -> None:
    async with house.tenant(tenant) as tx:
        await timers.set_timers(tx, "test", [Timer(new_id(), due_at, key)], earliest=earliest)


async def fired(house: Database) -> list[str]:
    """Keys of what fired now, in order, and was reacted to."""
    seen.clear()
    await Ticker(house).fire_due()
    await Relay(house, REACTIONS, None).drain()
    return [key for _, key in seen]


async def test_a_timer_fires_once_when_it_is_due(house: Database, clock: VirtualClock) -> None:
    tenant = new_id()
    await set_one(house, tenant, "b", NOW + timedelta(days=5))
    await set_one(house, tenant, "a", NOW + timedelta(days=4))
    assert await fired(house) == []
    clock.advance(timedelta(days=5))
    assert await fired(house) == ["a", "b"]
    assert await fired(house) == []


async def test_setting_it_again_moves_it_and_cancelling_takes_it_away(house: Database, clock: VirtualClock) -> None:
    tenant = new_id()
    await set_one(house, tenant, "a", NOW + timedelta(hours=1))
    await set_one(house, tenant, "a", NOW + timedelta(hours=3))
    await set_one(house, tenant, "b", NOW + timedelta(hours=1))
    async with house.tenant(tenant) as tx:
        await timers.cancel(tx, "test", "b")
    clock.advance(timedelta(hours=2))
    assert await fired(house) == []
    clock.advance(timedelta(hours=2))
    assert await fired(house) == ["a"]


async def test_the_earliest_of_two_wishes_counts(house: Database, clock: VirtualClock) -> None:
    tenant = new_id()
    await set_one(house, tenant, "a", NOW + timedelta(hours=2))
    await set_one(house, tenant, "a", NOW + timedelta(hours=1), earliest=True)
    await set_one(house, tenant, "a", NOW + timedelta(hours=3), earliest=True)
    clock.advance(timedelta(hours=1))
    assert await fired(house) == ["a"]


async def test_tenants_do_not_touch_each_others(house: Database, clock: VirtualClock) -> None:
    one, other = new_id(), new_id()
    await set_one(house, one, "a", NOW)
    await set_one(house, other, "a", NOW)
    async with house.tenant(one) as tx:
        await timers.cancel(tx, "test", "a")
    assert await fired(house) == ["a"]


async def test_what_is_undone_sets_no_timer(house: Database) -> None:
    async def undone() -> None:
        async with house.tenant(new_id()) as tx:
            await timers.set_timers(tx, "test", [Timer(new_id(), NOW)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    assert await fired(house) == []
