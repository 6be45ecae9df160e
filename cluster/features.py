"""Jobs over the feature store: fill in the past, bring open deals up to today, write the history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from core import bootstrap
from core.analysis import backfill as of_calls
from core.calls import repository as calls
from core.datascience.features import history
from core.datascience.features.definitions import by_name
from core.deals import repository as deals
from core.forecasting import backfill as of_deals
from core.kit.db import Database, Tx
from core.settings import Settings
from core.tenants import repository as tenants

Say = Callable[[str], None]
BATCH = 50


async def backfill(
    settings: Settings, tenant_id: UUID | None, *, since: datetime | None = None, until: datetime | None = None,
    say: Say = lambda _: None,
) -> int:  # fmt: skip
    """All deals and calls of one tenant, or of all; returns how many rows were new."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    store, objects = bootstrap.features(settings, db), bootstrap.object_store(settings)
    embedder = bootstrap.embedder(settings)

    async def some_deals(tx: Tx, ids: Sequence[UUID]) -> int:
        return await of_deals.backfill(tx, ids, store, since=since, until=until)

    async def some_calls(tx: Tx, ids: Sequence[UUID]) -> int:
        return await of_calls.backfill(
            tx, ids, store, embedder, objects, settings.calls, since=since, until=until
        )  # fmt: skip

    try:
        written = 0
        for one in await _tenants(db, tenant_id):
            async with db.tenant(one) as tx:
                deal_ids, call_ids = await deals.all_ids(tx), await calls.ready_ids(tx)
            written += await _batches(db, one, deal_ids, some_deals, say, "deals")
            written += await _batches(db, one, call_ids, some_calls, say, "calls")
        return written
    finally:
        await db.close()


async def refresh(settings: Settings, tenant_id: UUID | None, *, say: Say = lambda _: None) -> int:
    """Open deals as of now; returns how many rows were new."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    store = bootstrap.features(settings, db)

    async def some(tx: Tx, ids: Sequence[UUID]) -> int:
        return await of_deals.refresh(tx, ids, store)

    try:
        written = 0
        for one in await _tenants(db, tenant_id):
            async with db.tenant(one) as tx:
                deal_ids = await deals.all_ids(tx, only_open=True)
            written += await _batches(db, one, deal_ids, some, say, "open deals")
        return written
    finally:
        await db.close()


async def archive(settings: Settings, tenant_id: UUID | None) -> int:
    """Bring the Parquet files up to date; returns how many changed."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    objects = bootstrap.object_store(settings)
    try:
        changed = 0
        for one in await _tenants(db, tenant_id):
            for feature_set in by_name().values():
                async with db.tenant(one) as tx:
                    changed += await history.archive(tx, feature_set, objects)
        return changed
    finally:
        await db.close()


async def _tenants(db: Database, tenant_id: UUID | None) -> list[UUID]:
    if tenant_id is not None:
        return [tenant_id]
    async with db.system() as tx:
        return await tenants.all_tenant_ids(tx)


async def _batches(
    db: Database, tenant_id: UUID, ids: Sequence[UUID], do: Callable[[Tx, Sequence[UUID]], Awaitable[int]], say: Say,
    what: str,
) -> int:  # fmt: skip
    """A transaction for each batch, so that a killed run keeps what it did and goes on where it was."""
    written = 0
    for start in range(0, len(ids), BATCH):
        async with db.tenant(tenant_id) as tx:
            written += await do(tx, ids[start : start + BATCH])
        say(f"{min(start + BATCH, len(ids))} of {len(ids)} {what} of tenant {tenant_id}, {written} rows new")
    return written
