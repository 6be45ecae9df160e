"""The job that puts down what tenants are told: each tenant once a day, in the first run after its own midnight."""

from __future__ import annotations

from uuid import UUID

from core import bootstrap
from core.forecasting.rollup import snapshot as snapshots
from core.kit.db import Database
from core.kit.ids import new_id
from core.kit.log import logger
from core.ports import Predictor
from core.settings import Settings
from core.tenants import repository as tenants

log = logger("forecast")


async def snapshot(settings: Settings, tenant_id: UUID | None = None) -> int:
    """How many were taken; a tenant whose day has its snapshot is passed over."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    predictor = bootstrap.predictor(settings)
    try:
        return await take_due(db, predictor, tenant_id)
    finally:
        await predictor.close()
        await db.close()


async def take_due(db: Database, predictor: Predictor, tenant_id: UUID | None = None) -> int:
    if tenant_id is None:
        async with db.system() as tx:
            wanted = await tenants.all_tenant_ids(tx)
    else:
        wanted = [tenant_id]
    taken = 0
    for one in wanted:
        try:
            async with db.tenant(one) as tx:
                taken += await snapshots.take(tx, new_id(), "nightly", predictor) is not None
        except Exception as error:
            # The others have their night all the same; the next run tries this one again.
            log.error("snapshot_failed", tenant_id=str(one), error=type(error).__name__)
    return taken
