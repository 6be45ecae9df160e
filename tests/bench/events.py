"""Events: from commit to a reaction's effect, against the same claims written straight in psycopg."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
from sqlalchemy import make_url

from core import bootstrap
from core.kit.db import Database, Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Reaction, Relay, routes
from core.settings import Settings
from tests.bench.harness import line, quantile, servers

COUNT, WORKERS = 2_000, 4


def run() -> None:
    with servers() as settings:
        per_s, took = asyncio.run(_ours(settings))
        peer_per_s, peer_took = asyncio.run(_raw(settings))
    line("events", "per_s", per_s, "1/s", "psycopg SKIP LOCKED", peer_per_s, more_is_better=True)
    for metric, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        value, peer = quantile(took, share) * 1e3, quantile(peer_took, share) * 1e3
        line("events", metric, value, "ms", "psycopg SKIP LOCKED", peer, more_is_better=False)


async def _ours(settings: Settings) -> tuple[float, list[float]]:
    """Throughput with a backlog; latency with one event after another."""
    bootstrap.load_models()
    took: list[float] = []
    done = asyncio.Semaphore(0)
    begun: dict[Any, float] = {}

    async def note(event: Event, tx: Tx, services: Any) -> None:
        took.append(time.perf_counter() - begun[event.id])
        done.release()

    reaction = Reaction("note", EventType.DEAL_CHANGED, note)
    db = Database(bootstrap.database_url(settings), routes=routes([reaction]), pool_size=10)
    tenants = [new_id() for _ in range(20)]

    async def emit(number: int) -> None:
        event = Event(EventType.DEAL_CHANGED, tenants[number % len(tenants)], new_id(), {"fields": ["stage"]})
        async with db.tenant(event.tenant_id) as tx:
            await tx.emit(event)
            begun[event.id] = time.perf_counter()

    for number in range(COUNT):
        await emit(number)
    relay = Relay(db, [reaction], None, workers=WORKERS, slow_workers=0)
    started = time.perf_counter()
    running = asyncio.create_task(relay.run())
    for _ in range(COUNT):
        await done.acquire()
    per_s = COUNT / (time.perf_counter() - started)
    took.clear()
    for number in range(300):
        await emit(number)
        await done.acquire()
    relay.stop()
    await running
    await db.close()
    return per_s, took


async def _raw(settings: Settings) -> tuple[float, list[float]]:
    """The least that the same guarantee costs: a queue table, one claim and one mark in each transaction."""
    assert settings.database.admin_url is not None
    url = make_url(settings.database.admin_url.get_secret_value()).render_as_string(False)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute("CREATE TABLE queue (id bigserial PRIMARY KEY, done boolean NOT NULL DEFAULT false)")
        await admin.execute("CREATE INDEX ON queue (id) WHERE NOT done")
        await admin.execute("INSERT INTO queue SELECT FROM generate_series(1, %s)", (COUNT,))
        started = time.perf_counter()
        counts = await asyncio.gather(*(_drain(url) for _ in range(WORKERS)))
        per_s = sum(counts) / (time.perf_counter() - started)
        took = []
        for _ in range(300):
            await admin.execute("INSERT INTO queue DEFAULT VALUES")
            begun = time.perf_counter()
            await _drain_one(admin)
            took.append(time.perf_counter() - begun)
    return per_s, took


async def _drain(url: str) -> int:
    count = 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while await _drain_one(connection):
            count += 1
    return count


async def _drain_one(connection: psycopg.AsyncConnection[Any]) -> bool:
    async with connection.transaction():
        found = await connection.execute(
            "SELECT id FROM queue WHERE NOT done ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        row = await found.fetchone()
        if row is None:
            return False
        await connection.execute("UPDATE queue SET done = true WHERE id = %s", row)
    return True
