"""One process that holds 10,000 tenants with 20 deals each: what their agents weigh, how long one takes to wake, and to
decide. Beside it a dict of lists, filled and written back by psycopg alone: no mailboxes, turns, rules or events."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from core import bootstrap
from core.automation.residents import agent_host
from core.kit.db import APP_ROLE
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.settings import Settings
from tests.bench.harness import line, quantile, servers
from tests.fakes.engines import FakePredictor

TENANTS, DEALS, OPEN_TASKS, ONE_BY_ONE, AT_ONCE = 10_000, 20, 5, 300, 8

_FILL = f"""
    CREATE TEMP TABLE n AS SELECT gen_random_uuid() AS tenant, gen_random_uuid() AS account
                           FROM generate_series(1, {TENANTS});
    INSERT INTO tenants (id, name, slug, plan, locale, time_zone, currency, limits, autonomy)
    SELECT tenant, 'T', tenant::text, 'STARTER', 'en-US', 'America/Sao_Paulo', 'USD', '{{}}', 'approve' FROM n;
    INSERT INTO accounts (id, tenant_id, name, created_at) SELECT account, tenant, 'A', now() FROM n;
    INSERT INTO deals (id, tenant_id, account_id, name, value_cents, currency, stage, products, opened_at)
    SELECT gen_random_uuid(), tenant, account, 'Deal ' || d, 90000000, 'USD', 'proposal', '[]',
           now() - d * interval '1 day'
    FROM n, generate_series(1, {DEALS}) AS d;
    INSERT INTO tasks (id, tenant_id, deal_id, event_id, kind, status, priority, title, reasons, due_at, created_at)
    SELECT gen_random_uuid(), tenant_id, id, gen_random_uuid(), 'create_crm_task', 'waiting', 3, 'T', '[]', now(), now()
    FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS place FROM deals) AS d
    WHERE place <= {OPEN_TASKS};
    ANALYZE;
"""
_FREE = f"""SELECT tenant_id, array_agg(id ORDER BY place) FROM (
            SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS place FROM deals) AS d
            WHERE place > {OPEN_TASKS} GROUP BY tenant_id ORDER BY tenant_id"""

Handle = Callable[[Event], Awaitable[None]]


def run() -> None:
    with servers() as settings:
        free = _fill(settings)
        ours = asyncio.run(_measured(settings, free, 0, _host(settings)))
        peer = asyncio.run(_measured(settings, free, 5, _bare(settings)))
    names = (("memory_mib", "MiB"), ("activation_ms", "ms"), ("decision_p95_ms", "ms"))
    for (metric, unit), value, other in zip(names, ours, peer, strict=True):
        line("agents", metric, value, unit, "psycopg and a dict", other, more_is_better=False)


def _fill(settings: Settings) -> dict[UUID, list[UUID]]:
    """Tenant → deals without an open task."""
    assert settings.database.admin_url is not None
    url = make_url(settings.database.admin_url.get_secret_value()).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL)
        return dict(connection.execute(_FREE).fetchall())


def _fell(tenant: UUID, deal: UUID) -> Event:
    return Event(EventType.FORECAST_CHANGED, tenant, deal, {"probability": 0.2, "before": 0.7, "call_id": None})


async def _measured(
    settings: Settings, free: dict[UUID, list[UUID]], first: int, made: Callable[[], Awaitable[tuple[Handle, Any]]]
) -> tuple[float, float, float]:
    """MiB that all tenants add, milliseconds to wake and decide (median), milliseconds of a decision (p95); the two
    one at a time. `first`: which of a tenant's free deals is the first that nobody decided on."""
    handle, close = await made()
    tenants = list(free)
    await handle(_fell(tenants[0], free[tenants[0]][first]))
    gc.collect()
    before = _resident_bytes()
    waking = [await _timed(handle, _fell(tenant, free[tenant][first])) for tenant in tenants[1 : ONE_BY_ONE + 1]]
    rest = iter(tenants[ONE_BY_ONE + 1 :])

    async def wake() -> None:
        for tenant in rest:
            await handle(_fell(tenant, free[tenant][first]))

    await asyncio.gather(*(wake() for _ in range(AT_ONCE)))
    gc.collect()
    added = _resident_bytes() - before
    deciding = [
        await _timed(handle, _fell(tenant, free[tenant][first + n]))
        for n in (1, 2, 3)
        for tenant in tenants[:ONE_BY_ONE]
    ]
    await close()
    return added / 2**20, quantile(waking, 0.5) * 1e3, quantile(deciding, 0.95) * 1e3


async def _timed(handle: Handle, event: Event) -> float:
    begun = time.perf_counter()
    await handle(event)
    return time.perf_counter() - begun


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _host(settings: Settings) -> Callable[[], Awaitable[tuple[Handle, Any]]]:
    async def make() -> tuple[Handle, Any]:
        db = bootstrap.database(settings, bootstrap.database_url(settings))
        host = agent_host(db, FakePredictor(), bootstrap.deal_inputs, most_awake=TENANTS, at_once=AT_ONCE)

        async def close() -> None:
            assert len(host.awake()) == TENANTS
            assert host.counts.restored == TENANTS
            await db.close()

        return host.handle, close

    return make


_ENTER = "SELECT set_config('role', %s, true), set_config('app.tenant_id', %s, true)"
_OPEN = "SELECT deal_id, kind FROM tasks WHERE status = ANY('{suggested,waiting,approved}')"
_SEEN = (
    "INSERT INTO handled_events (id, tenant_id, resident, at) VALUES (%s, %s, 'agent', now()) ON CONFLICT DO NOTHING"
)
_DEAL = """SELECT d.name, d.value_cents, (SELECT max(at) FROM activities a WHERE a.deal_id = d.id)
           FROM deals d WHERE d.id = %s"""
_TASK = """INSERT INTO tasks (id, tenant_id, deal_id, event_id, kind, status, priority, title, reasons, due_at,
                              created_at)
           VALUES (%s, %s, %s, %s, 'notify_user', 'waiting', 3, %s, %s, now(), now())"""


def _bare(settings: Settings) -> Callable[[], Awaitable[tuple[Handle, Any]]]:
    async def make() -> tuple[Handle, Any]:
        url = make_url(bootstrap.database_url(settings)).set(drivername="postgresql").render_as_string(False)
        free = [await psycopg.AsyncConnection.connect(url) for _ in range(AT_ONCE)]
        everybody, known = list(free), dict[UUID, list[tuple[UUID, str]]]()

        async def handle(event: Event) -> None:
            connection = free.pop()
            async with connection.transaction():
                await connection.execute(_ENTER, (APP_ROLE, str(event.tenant_id)))
                if event.tenant_id not in known:
                    known[event.tenant_id] = await (await connection.execute(_OPEN)).fetchall()
                await connection.execute(_SEEN, (event.id, event.tenant_id))
                [name, value_cents, _] = await (await connection.execute(_DEAL, (event.subject,))).fetchone() or (
                    "",
                    0,
                    0,
                )
                reasons = json.dumps([{"key": "forecast_fell"}, {"key": "high_value", "value": value_cents}])
                task = (new_id(), event.tenant_id, event.subject, event.id, f"See {name}", reasons)
                await connection.execute(_TASK, task)
                known[event.tenant_id].append((event.subject, "notify_user"))
            free.append(connection)

        async def close() -> None:
            assert len(known) == TENANTS
            for connection in everybody:
                await connection.close()

        return handle, close

    return make
