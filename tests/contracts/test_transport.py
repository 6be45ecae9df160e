"""What every transport promises, held against each: once in effect, in order, and nothing lost whatever dies.

`SALESEDGE_TEST_KAFKA=host:port` runs the Kafka side on a broker of one's own; else on the embedded one. A dead member
is nowhere waited for to be evicted: what it held comes from the database.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import make_url

from cluster.embedded_broker import EmbeddedBroker
from core import bootstrap
from core.gateways.kafka import DEAD, KafkaLog, prepare
from core.kit import outbox
from core.kit.broker import Record
from core.kit.db import Database, Tx
from core.kit.errors import BadInput, SalesEdgeError, Unavailable
from core.kit.event_settings import EventSettings, KafkaSettings
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.lag import lag
from core.kit.relay import Reaction
from core.settings import Settings
from tests.contracts.transports import MOST_S, Bench, Process, names, write_account

WRITE = Reaction("write", EventType.DEAL_CREATED, write_account)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("SALESEDGE_TEST_KAFKA")
    if given:
        yield given
        return
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as embedded:
        yield embedded.address


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """On real time: leases and waits run out by themselves."""
    bootstrap.load_models()
    made = Database(bootstrap.database_url(settings), pool_size=10)
    yield made
    await made.close()


def over_kafka(address: str, **how: Any) -> EventSettings:
    kafka = {"topic": f"t-{new_id().hex}", "group": f"g-{new_id().hex}", "partitions": 4, "grace_s": 2.0, **how}
    return EventSettings(
        transport="kafka", lease_s=0.5, backoff_base_s=0.01,
        kafka=KafkaSettings.model_validate({"bootstrap_servers": address, **kafka}),
    )  # fmt: skip


@pytest.fixture(params=["embedded", "kafka"])
def bench(request: pytest.FixtureRequest, database: Database) -> Bench:
    if request.param == "kafka":
        return Bench(database, over_kafka(request.getfixturevalue("broker")))
    return Bench(database, EventSettings(lease_s=0.5, backoff_base_s=0.01))


# ── once, in order ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_effect_is_there_once_over_several_members(bench: Bench) -> None:
    tenants = [new_id() for _ in range(3)]
    async with bench.running(WRITE, members=3):
        events = {tenant: await bench.emit(tenant, 20) for tenant in tenants}
        await bench.until_done("write", 60)
    for tenant in tenants:
        assert sorted(await bench.effects(tenant)) == names(events[tenant])


async def test_an_ordered_reaction_keeps_each_tenants_order(bench: Bench) -> None:
    tenants = [new_id() for _ in range(3)]
    seen: dict[UUID, list[UUID]] = {tenant: [] for tenant in tenants}
    failed: set[UUID] = set()

    async def note(event: Event, tx: Tx, services: Any) -> None:
        await asyncio.sleep(0)
        if len(seen[event.tenant_id]) == 7 and event.tenant_id not in failed:
            failed.add(event.tenant_id)
            raise Unavailable("once in the middle")
        seen[event.tenant_id].append(event.subject)

    async with bench.running(Reaction("note", EventType.DEAL_CREATED, note, ordered=True), members=2):
        expected = {tenant: [event.subject for event in await bench.emit(tenant, 15)] for tenant in tenants}
        await bench.until_done("note", 45)
    assert seen == expected


async def test_a_slow_reaction_stands_in_nobodys_way(bench: Bench) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def wait(event: Event, tx: Tx, services: Any) -> None:
        begun.set()
        await never.wait()

    slow = Reaction("slow", EventType.DEAL_CREATED, wait, slow=True)
    async with bench.running(slow, WRITE):
        await bench.emit(new_id(), 1)
        async with asyncio.timeout(MOST_S):
            await begun.wait()
        await bench.emit(new_id(), 10)
        await bench.until_done("write", 11)
    assert ("done", 1) not in await bench.deliveries("slow")


async def test_one_tenants_failing_event_holds_up_nobody(bench: Bench) -> None:
    bad, good = new_id(), new_id()

    async def fail(event: Event, tx: Tx, services: Any) -> None:
        if event.tenant_id == bad:
            raise Unavailable("for this one, for long")
        await write_account(event, tx, services)

    bench.settings = bench.settings.model_copy(update={"backoff_base_s": 300.0})
    async with bench.running(Reaction("fail", EventType.DEAL_CREATED, fail, ordered=True)):
        await bench.emit(bad, 2)
        events = await bench.emit(good, 10)
        await bench.until_done("fail", 10)
    assert await bench.effects(good) == [str(event.subject) for event in events]
    statuses = [status for status, _ in await bench.deliveries("fail")]
    assert statuses.count("pending") == 2, "the second of the bad one waits for the first"


# ── parked, again, from a time on ────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_given_up_is_parked_and_runs_again_when_told(bench: Bench) -> None:
    tenant, broken = new_id(), True
    told: list[str] = []

    async def fail(event: Event, tx: Tx, services: Any) -> None:
        await write_account(event, tx, services)
        if broken:
            raise BadInput("never")

    async def on_parked(event: Event, tx: Tx, error: SalesEdgeError) -> None:
        told.append(error.detail)

    async with bench.running(Reaction("fail", EventType.DEAL_CREATED, fail, on_parked=on_parked)):
        [event] = await bench.emit(tenant)
        await bench.until_done("fail", 1, "parked")
        async with bench.db.system() as tx:
            [parked] = await outbox.parked(tx)
        assert (parked["event_id"], parked["error"], told) == (event.id, "BadInput: never", ["never"])
        assert await bench.effects(tenant) == []
        broken = False
        async with bench.db.system() as tx:
            assert await outbox.rerun(tx, event.id) == 1
        await bench.until_done("fail", 1)
    assert await bench.effects(tenant) == [str(event.subject)]


async def test_replay_takes_what_happened_since_then_in_order_also_for_who_was_not_there(bench: Bench) -> None:
    tenant, seen = new_id(), []

    async def note(event: Event, tx: Tx, services: Any) -> None:
        seen.append(event.subject)

    async with bench.running(WRITE):
        await bench.emit(tenant, 2)
        since = bench.db.clock.now()
        late = await bench.emit(tenant, 5)
        await bench.until_done("write", 7)
    async with bench.running(WRITE, Reaction("note", EventType.DEAL_CREATED, note, ordered=True)):
        async with bench.db.system() as tx:
            assert await outbox.replay(tx, since, {"note"}) == 5
        await bench.until_done("note", 5)
        async with bench.db.system() as tx:
            assert await outbox.replay(tx, since + timedelta(days=1), {"note"}) == 0
            assert await outbox.replay(tx, since, {"note"}) == 5
        await bench.until_done("note", 5)
    assert seen == [event.subject for event in late] * 2


async def test_lag_tells_how_far_behind_each_reaction_is(bench: Bench) -> None:
    bench.with_reactions(WRITE)
    await bench.emit(new_id(), 3)
    [before] = [row for row in await lag(bench.db) if row.reaction == "write"]
    assert (before.events, before.parked) == (3, 0)
    assert before.behind_s > 0
    async with bench.running(WRITE):
        await bench.until_done("write", 3)
    assert [(row.events, row.behind_s) for row in await lag(bench.db) if row.reaction == "write"] == [(0, 0.0)]


# ── what dies ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_killed_member_held_is_done_once_by_another(bench: Bench, settings: Settings) -> None:
    bench.with_reactions(WRITE)
    victim = Process(bench.settings, bootstrap.database_url(settings), "hang")
    try:
        events = await bench.emit(tenant := new_id(), 6)
        assert await victim.says() == "hanging"
    finally:
        victim.kill()
    async with bench.running(WRITE):
        await bench.until_done("write", 6)
    assert sorted(await bench.effects(tenant)) == names(events)


async def test_an_event_that_kills_its_process_is_parked_in_the_end(bench: Bench, settings: Settings) -> None:
    bench.settings = bench.settings.model_copy(update={"max_attempts": 2, "lease_s": 1.0})
    bench.with_reactions(WRITE)
    [event] = await bench.emit(tenant := new_id())
    for _ in range(2):
        victim = Process(bench.settings, bootstrap.database_url(settings), "die")
        assert await victim.says() == "dying"
        victim.kill()
    async with bench.running(WRITE):
        await bench.until_done("write", 1, "parked")
    async with bench.db.system() as tx:
        [parked] = await outbox.parked(tx)
    assert (parked["event_id"], parked["attempts"]) == (event.id, 3)
    assert await bench.effects(tenant) == []


async def test_the_database_may_lose_every_connection(bench: Bench, settings: Settings) -> None:
    assert settings.database.admin_url is not None
    admin = make_url(settings.database.admin_url.get_secret_value()).render_as_string(False)
    tenant, events = new_id(), []
    async with bench.running(WRITE, members=2):
        for _ in range(4):
            events += await bench.emit(tenant, 5)
            async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND usename = 'salesedge'"
                )
            await bench.db.engine.dispose()
        await bench.until_done("write", 20)
    assert sorted(await bench.effects(tenant)) == names(events)


# ── Kafka alone ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_broker_may_restart_and_forget(database: Database, tmp_path: Path) -> None:
    tenant, events = new_id(), []
    with EmbeddedBroker(tmp_path) as broker:
        bench = Bench(database, over_kafka(broker.address))
        async with bench.running(WRITE):
            events += await bench.emit(tenant, 5)
            await bench.until_done("write", 5)
            broker.kill()
            events += await bench.emit(tenant, 5)
            await bench.until_done("write", 10)  # from the database, when their grace is over
            broker.start()
            events += await bench.emit(tenant, 5)
            await bench.until_done(outbox.PUBLISH, 15)
            await bench.until_done("write", 15)
    assert sorted(await bench.effects(tenant)) == names(events)


async def test_events_come_over_the_broker_long_before_their_grace_is_over(database: Database, broker: str) -> None:
    bench = Bench(database, over_kafka(broker, grace_s=10_000.0))
    async with bench.running(WRITE, members=2):
        await bench.emit(new_id(), 10)
        await bench.until_done("write", 10)
    assert await bench.deliveries("write") == [("done", 1)] * 10


async def test_what_is_no_event_of_ours_goes_to_the_dead_letters(database: Database, broker: str) -> None:
    bench = Bench(database, over_kafka(broker, grace_s=10_000.0, partitions=1))
    await asyncio.to_thread(prepare, bench.settings.kafka)
    log = KafkaLog(bench.settings.kafka)
    made_up = Event(EventType.TASK_DECIDED, new_id(), new_id(), {"verdict": "perhaps"})
    bad = {
        b"\xff no json": b"no JSON", b"[]": b"no CloudEvent", b'{"type": "MADE_UP"}': b"MADE_UP",
        _encoded(made_up): b"TASK_DECIDED does not fit version 1",
    }  # fmt: skip
    forged = _encoded(Event(EventType.DEAL_CREATED, tenant := new_id(), new_id()))
    await log.append(bench.settings.kafka.topic, [Record(b"k", value) for value in (*bad, forged)])
    await log.close()
    async with bench.running(WRITE):
        [event] = await bench.emit(tenant)
        await bench.until_done("write", 1)
    assert await bench.effects(tenant) == [str(event.subject)], "what is not in the outbox has no effect"
    buried = await asyncio.to_thread(_read, bench.settings.kafka, len(bad))
    assert {value for value, _ in buried} == set(bad)
    assert [value for value, error in buried if bad[value] not in error] == []


def _encoded(event: Event) -> bytes:
    return json.dumps(event.to_cloudevent()).encode()


def _read(settings: KafkaSettings, count: int) -> list[tuple[bytes, bytes]]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        settings.topic + DEAD, bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )  # fmt: skip
    found = []
    for record in consumer:
        found.append((record.value, dict(record.headers)["error"]))
        if len(found) == count:
            break
    consumer.close()
    return found
