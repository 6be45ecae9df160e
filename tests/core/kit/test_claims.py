"""Claims: what a dead worker held is tried again, and counted; what somebody else took over takes no effect here."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from core.kit import outbox
from core.kit.clock import VirtualClock
from core.kit.db import Database, Tx
from core.kit.desk import Desk
from core.kit.errors import SalesEdgeError, Unavailable
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.listener import Listener
from core.kit.relay import OutboxSource, Reaction, Relay, routes
from core.kit.runner import Runner, Verdict
from core.kit.workers import Lane
from tests.core.kit.test_relay import accounts, emit, relay, write_account

WRITE = Reaction("write", EventType.DEAL_CREATED, write_account)


async def test_a_try_that_kills_its_worker_is_counted_and_parked_in_the_end(db: Database, clock: VirtualClock) -> None:
    told: list[str] = []

    async def on_parked(event: Event, tx: Tx, error: SalesEdgeError) -> None:
        told.append(error.detail)

    deadly = Reaction("deadly", EventType.DEAL_CREATED, write_account, on_parked=on_parked)
    work = relay(db, deadly, max_attempts=3)
    await emit(db, tenant := new_id())
    dying = Desk(db)
    for attempt in (1, 2, 3):
        [claimed] = await dying.claim(["deadly"], most=9, lease_s=5)
        assert claimed.attempts == attempt
        assert await dying.claim(["deadly"], most=9, lease_s=5) == [], "others keep off while the claim holds"
        clock.advance(timedelta(seconds=5 * 2**attempt))
    await dying.close()
    assert await work.drain() == 1
    async with db.system() as tx:
        [parked] = await outbox.parked(tx)
    assert parked["error"] == "SalesEdgeError: Each worker that tried it died."
    assert told == ["Each worker that tried it died."]
    assert await accounts(db, tenant) == []


async def test_what_was_taken_over_takes_effect_once(db: Database, clock: VirtualClock) -> None:
    db.routes = routes([WRITE])
    runner = Runner(db, [WRITE], None)
    await emit(db, tenant := new_id())
    desk = Desk(db)
    [stalled] = await desk.claim(["write"], most=9, lease_s=5)
    clock.advance(timedelta(seconds=6))
    [taken_over] = await desk.claim(["write"], most=9, lease_s=5)
    await desk.close()
    assert await runner.run(stalled) is Verdict.LOST
    assert await runner.run(taken_over) is Verdict.DONE
    assert await runner.run(taken_over) is Verdict.LOST
    assert len(await accounts(db, tenant)) == 1


async def test_neighbours_of_a_deadly_event_are_claimed_without_it(db: Database, clock: VirtualClock) -> None:
    db.routes = routes([WRITE])
    for _ in range(5):
        await emit(db, new_id())
    desk = Desk(db)
    assert len(await desk.claim(["write"], most=9, lease_s=5)) == 5
    clock.advance(timedelta(seconds=6))
    claims = [await desk.claim(["write"], most=9, lease_s=5) for _ in range(6)]
    await desk.close()
    assert [len(claimed) for claimed in claims] == [1, 1, 1, 1, 1, 0]


async def test_what_follows_a_failure_in_order_goes_back_untried(db: Database, clock: VirtualClock) -> None:
    seen: list[Any] = []
    broken = True

    async def fail_once(event: Event, tx: Tx, services: Any) -> None:
        nonlocal broken
        if broken:
            broken = False
            raise Unavailable("not yet")
        seen.append(event.subject)

    work = relay(db, Reaction("note", EventType.DEAL_CREATED, fail_once, ordered=True), max_attempts=2)
    events = await emit(db, new_id(), 4)
    assert await work.drain() == 1
    assert seen == []
    clock.advance(timedelta(minutes=1))
    assert await work.drain() == 4
    assert seen == [event.subject for event in events]


async def test_whoever_stops_gives_back_what_he_claimed(db: Database) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def hang(event: Event, tx: Tx, services: Any) -> None:
        begun.set()
        await never.wait()

    hanging = Reaction("hang", EventType.DEAL_CREATED, hang)
    work = relay(db, hanging, workers=1)
    await emit(db, new_id(), 3)
    running = asyncio.create_task(work.run())
    async with asyncio.timeout(20):
        await begun.wait()
    work.stop()
    await running
    desk = Desk(db)
    again = await desk.claim(["hang"], most=9, lease_s=5)
    await desk.close()
    assert [delivery.attempts for delivery in again] == [1, 1, 1], "at once, and no try was counted"


async def test_old_deliveries_of_reactions_that_are_gone_stay(db: Database) -> None:
    db.routes = routes([Reaction("gone", EventType.DEAL_CREATED, write_account)])
    await emit(db, new_id())
    assert await Relay(db, [WRITE], None).drain() == 0


def test_a_lane_of_slow_reactions_claims_no_more_than_it_has_hands(db: Database) -> None:
    lane = Lane(OutboxSource(db, ["slow"], Listener(db.url), lease_s=5), 4)
    lane.waiting = 2
    assert lane.wanted() == 2
    for _ in range(50):
        lane.note(0.001)
    assert lane.wanted() > 20
    lane.note(3.0)
    assert lane.wanted() == 2
