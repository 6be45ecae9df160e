"""A page of deals behind the policies of tenant and seller, against the same rows by WHERE as the owner."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import create_engine, insert, make_url, text

from core import bootstrap
from core.deals.model import Account, Deal
from core.kit.db import APP_ROLE, Base
from core.kit.ids import new_id
from core.settings import Settings
from core.tenants.model import Tenant, User
from tests.bench.harness import line, quantile, servers

TENANTS, SELLERS, DEALS, COUNT = 10, 5, 20_000, 1_000
PAGE = "SELECT * FROM deals ORDER BY id DESC LIMIT 50"


def run() -> None:
    with servers() as settings, psycopg.connect(_owner(settings), autocommit=True) as connection:
        tenants, seller = _fill(_owner(settings))
        sees_all = _p50_ms(connection, PAGE, tenant=tenants[0])
        sees_own = _p50_ms(connection, PAGE, tenant=tenants[0], seller=seller)
        where = f"WHERE tenant_id = '{tenants[0]}'"
        plain = _p50_ms(connection, PAGE.replace("ORDER", f"{where} ORDER"))
        plain_own = _p50_ms(connection, PAGE.replace("ORDER", f"{where} AND owner_id = '{seller}' ORDER"))
    line("rls", "p50_ms", sees_all, "ms", "the same query without it", plain, more_is_better=False)
    line("rls", "p50_ms_own", sees_own, "ms", "the same query without it", plain_own, more_is_better=False)


def _owner(settings: Settings) -> str:
    assert settings.database.admin_url is not None
    url = make_url(settings.database.admin_url.get_secret_value()).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def _fill(url: str) -> tuple[list[UUID], UUID]:
    """Tenants of a like size; returns them and a seller of the first."""
    bootstrap.load_models()
    tenants = [new_id() for _ in range(TENANTS)]
    people = {tenant: [new_id() for _ in range(SELLERS)] for tenant in tenants}
    accounts = {tenant: new_id() for tenant in tenants}
    now = datetime.now(UTC)
    mine = [tenants[n % TENANTS] for n in range(DEALS)]
    rows: dict[type[Base], list[dict[str, Any]]] = {
        Tenant: [{"id": t, "name": "T", "slug": f"t{n}", "created_at": now} for n, t in enumerate(tenants)],
        User: [
            {"id": p, "tenant_id": t, "email": f"{p}@x.example", "name": "U", "roles": ["REP"], "created_at": now}
            for t in tenants
            for p in people[t]
        ],
        Account: [{"id": accounts[t], "tenant_id": t, "name": "A", "created_at": now} for t in tenants],
        Deal: [
            {
                "id": new_id(), "tenant_id": t, "account_id": accounts[t], "name": "D", "value_cents": 1,
                "owner_id": people[t][n // TENANTS % SELLERS], "currency": "BRL", "stage": "prospecting",
                "products": [], "opened_at": now,
            }
            for n, t in enumerate(mine)
        ],
    }  # fmt: skip
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(table), values)
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return tenants, people[tenants[0]][0]


def _p50_ms(connection: psycopg.Connection[Any], query: str, *, tenant: Any = None, seller: Any = None) -> float:
    """In one transaction, as the application is; without a tenant as the owner, whom a superuser's rights let by."""
    took = []
    with connection.transaction():
        if tenant is not None:
            connection.execute("SELECT set_config('role', %s, true)", (APP_ROLE,))
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant),))
        if seller is not None:
            connection.execute("SELECT set_config('app.sees', 'own', true)")
            connection.execute("SELECT set_config('app.user_id', %s, true)", (str(seller),))
        for _ in range(COUNT):
            begun = time.perf_counter()
            rows = connection.execute(query.encode()).fetchall()
            took.append(time.perf_counter() - begun)
    assert len(rows) == 50
    return quantile(took, 0.5) * 1e3
