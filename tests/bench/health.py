"""What one change of a deal costs pipeline health among 100 deals and among 100,000. Beside it one SQL query that adds
all deals up anew, as often as a deal changes."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from core import bootstrap
from core.automation.hosting import HEALTH, agent_host
from core.deals.change import change
from core.deals.schemas import DealChangeIn
from core.kit.db import Database
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.settings import Settings
from tests.bench.harness import line, quantile, servers
from tests.fakes.engines import FakePredictor

SIZES, CHANGES, QUERIES = (100, 100_000), 200, 15

_FILL = """
    INSERT INTO tenants (id, name, slug, plan, locale, time_zone, currency, limits, autonomy)
    VALUES (%(tenant)s, 'T', %(tenant)s::text, 'STARTER', 'en-US', 'America/Sao_Paulo', 'USD', '{}', 'approve');
    INSERT INTO accounts (id, tenant_id, name, created_at) VALUES (%(account)s, %(tenant)s, 'A', now());
    INSERT INTO deals (id, tenant_id, account_id, name, value_cents, currency, stage, team, segment, region, products,
                       opened_at, expected_close_on, closed_at, outcome)
    SELECT gen_random_uuid(), %(tenant)s, %(account)s, 'Deal', 100 * d, 'USD',
           CASE WHEN d %% 5 < 2 THEN 'proposal' WHEN d %% 5 < 4 THEN 'closed_won' ELSE 'closed_lost' END,
           'team ' || d %% 8, 'segment ' || d %% 5, 'region ' || d %% 6, '[]',
           now() - (40 + d %% 300) * interval '1 day',
           current_date + (d %% 90)::int - 30, CASE WHEN d %% 5 >= 2 THEN now() - d %% 40 * interval '1 day' END,
           CASE WHEN d %% 5 < 2 THEN NULL WHEN d %% 5 < 4 THEN 'won' ELSE 'lost' END
    FROM generate_series(1, %(count)s) AS d;
    INSERT INTO deal_changes (id, tenant_id, deal_id, at, field, before, after)
    SELECT gen_random_uuid(), %(tenant)s, id, opened_at, 'stage', '[null]', '["discovery"]' FROM deals
    WHERE tenant_id = %(tenant)s;
    INSERT INTO deal_changes (id, tenant_id, deal_id, at, field, before, after)
    SELECT gen_random_uuid(), %(tenant)s, id, coalesce(closed_at, opened_at + interval '9 days'), 'stage',
           '["discovery"]', jsonb_build_array(stage) FROM deals WHERE tenant_id = %(tenant)s;
    INSERT INTO activities (id, tenant_id, deal_id, kind, direction, at, objections, unanswered_objections, competitors,
                            buying_signals, has_next_step)
    SELECT gen_random_uuid(), %(tenant)s, id, 'email', 'out', opened_at + interval '3 days', 0, 0, 0, 0, false
    FROM deals WHERE tenant_id = %(tenant)s;
"""
_ANEW = """
    SELECT d.team, d.segment, d.region, d.stage, count(*), sum(d.value_cents),
           count(*) FILTER (WHERE d.outcome IS NULL AND coalesce(t.at, d.opened_at) < now() - interval '14 days'),
           avg(extract(epoch FROM now() - coalesce(s.at, d.opened_at)))
    FROM deals d
    LEFT JOIN (SELECT deal_id, max(at) AS at FROM activities WHERE tenant_id = %(tenant)s GROUP BY deal_id) t
           ON t.deal_id = d.id
    LEFT JOIN (SELECT deal_id, max(at) AS at FROM deal_changes WHERE tenant_id = %(tenant)s AND field = 'stage'
               GROUP BY deal_id) s ON s.deal_id = d.id
    WHERE d.tenant_id = %(tenant)s GROUP BY 1, 2, 3, 4
"""


def run() -> None:
    with servers() as settings:
        tenants = [_fill(settings, count) for count in SIZES]
        ours = asyncio.run(_follow(settings, tenants))
        peer = [_anew(settings, tenant) for tenant in tenants]
    line(
        "health", "update_ratio", ours[1] / ours[0], "x", "one SQL query anew", peer[1] / peer[0], more_is_better=False
    )
    line("health", "update_p50_ms", ours[1] * 1e3, "ms", "one SQL query anew", peer[1] * 1e3, more_is_better=False)


def _owner(settings: Settings) -> str:
    assert settings.database.admin_url is not None
    return make_url(settings.database.admin_url.get_secret_value()).render_as_string(hide_password=False)


def _fill(settings: Settings, count: int) -> UUID:
    tenant = new_id()
    given = {"tenant": tenant, "account": new_id(), "count": count}
    with psycopg.connect(_owner(settings), autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(_FILL, given)
        connection.execute("ANALYZE")
    return tenant


async def _follow(settings: Settings, tenants: list[UUID]) -> list[float]:
    """The median time of an update in seconds, for each tenant; in turns, so that all meet the same machine."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    host = agent_host(db, FakePredictor(), bootstrap.deal_inputs)
    took: list[list[float]] = [[] for _ in tenants]
    open_ = [await _open_deals(db, tenant) for tenant in tenants]
    for tenant, ids in zip(tenants, open_, strict=True):
        await host.handle(Event(EventType.DEAL_CHANGED, tenant, ids[0], {"fields": ["name"]}), HEALTH)
    for number in range(CHANGES):
        for place, tenant in enumerate(tenants):
            deal_id = open_[place][number % len(open_[place])]
            wanted = DealChangeIn(value_cents=1_000 + number, stage=("negotiation", "proposal")[number // 40 % 2])
            async with db.tenant(tenant) as tx:
                await change(tx, deal_id, wanted, user_id=new_id())
            event = Event(EventType.DEAL_CHANGED, tenant, deal_id, {"fields": ["stage", "value_cents"]})
            begun = time.perf_counter()
            await host.handle(event, HEALTH)
            took[place].append(time.perf_counter() - begun)
    assert host.counts.restored == len(tenants)
    await db.close()
    return [quantile(values, 0.5) for values in took]


async def _open_deals(db: Database, tenant: UUID) -> list[UUID]:
    from core.deals import repository as deals

    async with db.tenant(tenant) as tx:
        return (await deals.all_ids(tx, only_open=True))[:CHANGES]


def _anew(settings: Settings, tenant: UUID) -> float:
    took = []
    with psycopg.connect(_owner(settings), autocommit=True) as connection:
        for _ in range(QUERIES):
            begun = time.perf_counter()
            connection.execute(_ANEW, {"tenant": tenant}).fetchall()
            took.append(time.perf_counter() - begun)
    return quantile(took, 0.5)
