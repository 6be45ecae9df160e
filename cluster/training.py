"""Training jobs over the product's own data: read deals, fit on Ray, register, promote, tell serving."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import make_url

from cluster.embedded import create_database
from core import bootstrap
from core.datascience.models.pointers import CHAMPION, Pointer, Scope, bundle_key, pointer_key
from core.deals import repository as deals
from core.forecasting.features import DealHistory
from core.forecasting.history import history
from core.kit.db import Database
from core.settings import Settings
from core.tenants import repository as tenants
from training.forecasting import Report, train

if TYPE_CHECKING:
    from core.gateways.mlflow import Registry

Say = Callable[[str], None]


async def train_forecasting(
    settings: Settings, tenant_id: UUID | None, say: Say = lambda _: None, *, algorithm: str = "xgboost"
) -> Report:
    """Fit on one tenant's deals, or on those of all. Raises `NotEnoughDeals`, `RecipeError`."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        say("reading deals")
        histories = await _histories(db, tenant_id)
    finally:
        await db.close()
    scope = Scope.of_tenant(tenant_id) if tenant_id else Scope.everybody()
    report = await asyncio.to_thread(
        train, histories, algorithm=algorithm, say=say, least=settings.forecasting.min_closed_deals
    )
    say("logging to MLflow and registering")
    version = await _register(settings, scope, report)
    say(f"version {version} is the champion of {'this tenant' if tenant_id else 'all tenants'}")
    return report


async def _histories(db: Database, tenant_id: UUID | None) -> list[DealHistory]:
    if tenant_id is None:
        async with db.system() as tx:
            wanted = await tenants.all_tenant_ids(tx)
    else:
        wanted = [tenant_id]
    found: list[DealHistory] = []
    for one in wanted:
        async with db.tenant(one) as tx:
            rows = await deals.closed_deals(tx) + await deals.open_deals(tx)
            found += [history(story) for story in await deals.stories(tx, rows)]
    return found


async def _register(settings: Settings, scope: Scope, report: Report) -> int:
    objects = bootstrap.object_store(settings)
    runs = await asyncio.to_thread(registry, settings)
    name = f"forecast-{scope.name}"
    logged = await asyncio.to_thread(
        lambda: runs.log_and_register(
            name, report.bundle, parameters=report.parameters,
            metrics={**report.metrics, **{f"baseline_{k}": v for k, v in report.baseline.items()}},
            tags={"deals": str(report.deals), "fingerprint": report.fingerprint, "code": bootstrap.version()},
        )
    )  # fmt: skip
    key = bundle_key("forecast", scope, logged.version)
    await objects.put(key, report.bundle)
    pointer = Pointer(logged.version, key, hashlib.sha256(report.bundle).hexdigest())
    await objects.put(pointer_key("forecast", scope, CHAMPION), pointer.to_json())
    return logged.version


def registry(settings: Settings) -> Registry:
    """MLflow as configured; importing it takes seconds."""
    from core.gateways.mlflow import Registry

    return Registry(_tracking_uri(settings), _artifacts(settings))


def _tracking_uri(settings: Settings) -> str:
    """As configured, else a database of its own beside the product's."""
    if settings.mlflow.tracking_uri is not None:
        return settings.mlflow.tracking_uri.get_secret_value()
    assert settings.database.admin_url is not None, "set SALESEDGE_MLFLOW__TRACKING_URI"
    admin = settings.database.admin_url.get_secret_value()
    create_database(admin, "mlflow")
    url = make_url(admin).set(drivername="postgresql+psycopg", database="mlflow")
    return url.render_as_string(hide_password=False)


def _artifacts(settings: Settings) -> str:
    return (settings.data_dir / "mlflow").resolve().as_uri()
