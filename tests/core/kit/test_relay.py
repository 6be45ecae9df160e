"""The outbox and its relay: what was said is heard by every reaction, and takes effect once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import make_url, text

from core.deals.model import Account
from core.kit import outbox
from core.kit.clock import VirtualClock
from core.kit.db import Database, Tx
from core.kit.errors import BadInput, SalesEdgeError, Unavailable
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Reaction, Relay, routes
from core.settings import Settings


async def write_account(event: Event, tx: Tx, services: Any) -> None:
    tx.session.add(Account(id=new_id(), tenant_id=tx.tenant_id, name=str(event.subject), created_at=tx.clock.now()))
    await tx.session.flush()


async def accounts(db: Database, tenant_id: UUID) -> list[str]:
    async with db.tenant(tenant_id) as tx:
        return list((await tx.session.execute(text("SELECT name FROM accounts ORDER BY id"))).scalars())


async def emit(db: Database, tenant_id: UUID, count: int = 1) -> list[Event]:
    events = [Event(EventType.DEAL_CREATED, tenant_id, new_id(), at=db.clock.now()) for _ in range(count)]
    for event in events:
        async with db.tenant(tenant_id) as tx:
            await tx.emit(event)
    return events


def relay(db: Database, *reactions: Reaction, **options: Any) -> Relay:
    db.routes = routes(reactions)
    return Relay(db, reactions, None, **options)


async def test_effect_is_exactly_once_over_many_workers(db: Database) -> None:
    tenant = new_id()
    relays = [relay(db, Reaction("write", EventType.DEAL_CREATED, write_account)) for _ in range(4)]
    events = await emit(db, tenant, 40)
    handled = await asyncio.gather(*(one.drain() for one in relays))
    assert sum(handled) == 40
    assert sorted(await accounts(db, tenant)) == sorted(str(event.subject) for event in events)
    assert await relays[0].drain() == 0


async def test_rolled_back_data_takes_its_event_with_it(db: Database) -> None:
    tenant = new_id()
    work = relay(db, Reaction("write", EventType.DEAL_CREATED, write_account))

    async def break_off() -> None:
        async with db.tenant(tenant) as tx:
            await tx.emit(Event(EventType.DEAL_CREATED, tenant, new_id()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert await work.drain() == 0


async def test_ordered_reaction_keeps_the_order_of_commits_per_tenant(db: Database) -> None:
    tenants = [new_id(), new_id()]
    seen: dict[UUID, list[UUID]] = {tenant: [] for tenant in tenants}

    async def note(event: Event, tx: Tx, services: Any) -> None:
        await asyncio.sleep(0)
        seen[event.tenant_id].append(event.subject)

    relays = [relay(db, Reaction("note", EventType.DEAL_CREATED, note, ordered=True)) for _ in range(3)]
    expected = {tenant: [event.subject for event in await emit(db, tenant, 15)] for tenant in tenants}
    while sum(len(s) for s in seen.values()) < 30:
        await asyncio.gather(*(one.drain() for one in relays))
    assert seen == expected


async def test_failure_is_tried_again_later_then_parked_then_rerun(db: Database, clock: VirtualClock) -> None:
    tenant = new_id()
    broken = True
    told: list[str] = []

    async def fail(event: Event, tx: Tx, services: Any) -> None:
        await write_account(event, tx, services)
        if broken:
            raise Unavailable("the model sleeps")

    async def on_parked(event: Event, tx: Tx, error: SalesEdgeError) -> None:
        told.append(error.detail)

    work = relay(db, Reaction("fail", EventType.DEAL_CREATED, fail, on_parked=on_parked), max_attempts=3)
    [event] = await emit(db, tenant)
    for _ in range(3):
        assert await work.drain() == 1
        assert await work.drain() == 0, "not before its time"
        clock.advance(timedelta(minutes=10))
    assert await accounts(db, tenant) == [], "a failed try leaves nothing behind"
    async with db.system() as tx:
        [parked] = await outbox.parked(tx)
    assert (parked["event_id"], parked["reaction"], parked["attempts"]) == (event.id, "fail", 3)
    assert "the model sleeps" in parked["error"]
    assert told == ["the model sleeps"]
    broken = False
    async with db.system() as tx:
        assert await outbox.rerun(tx, event.id) == 1
    assert await work.drain() == 1
    assert await accounts(db, tenant) == [str(event.subject)]


async def test_hopeless_error_is_parked_at_once(db: Database) -> None:
    async def refuse(event: Event, tx: Tx, services: Any) -> None:
        raise BadInput("never")

    work = relay(db, Reaction("refuse", EventType.DEAL_CREATED, refuse), max_attempts=9)
    await emit(db, new_id())
    assert await work.drain() == 1
    async with db.system() as tx:
        assert len(await outbox.parked(tx)) == 1


async def test_running_relay_wakes_at_commit_and_survives_killed_connections(db: Database, settings: Settings) -> None:
    tenant, done = new_id(), asyncio.Semaphore(0)

    async def write(event: Event, tx: Tx, services: Any) -> None:
        await write_account(event, tx, services)
        done.release()

    work = relay(db, Reaction("write", EventType.DEAL_CREATED, write), workers=2, backoff_base_s=0.01)
    db.clock = tick = VirtualClock(db.clock.now())
    running = asyncio.create_task(work.run())
    try:
        async with asyncio.timeout(20):
            await emit(db, tenant)
            await done.acquire()
            await _kill_connections(settings)
            tick.advance(timedelta(seconds=60))
            await _emit_stubbornly(db, tenant)
            await done.acquire()
    finally:
        work.stop()
        await running
    # What was cut off by the stop is done now; what was done is not done again.
    tick.advance(timedelta(seconds=60))
    await work.drain()
    assert len(await accounts(db, tenant)) == 2


async def _kill_connections(settings: Settings) -> None:
    assert settings.database.admin_url is not None
    url = make_url(settings.database.admin_url.get_secret_value())
    async with await psycopg.AsyncConnection.connect(url.render_as_string(False), autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = 'salesedge'"
        )


async def _emit_stubbornly(db: Database, tenant: UUID) -> None:
    """A client whose connection was cut tries again, as every caller does."""
    for _ in range(10):
        try:
            await emit(db, tenant)
            return
        except Exception:
            await asyncio.sleep(0.05)
    raise AssertionError("the database did not come back")
