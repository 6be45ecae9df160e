"""Training jobs over the product's own data: read deals, fit on Ray, register, ask the gate, tell serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import make_url

from cluster.embedded import create_database
from core import bootstrap
from core.datascience.models import verdicts
from core.datascience.models.admit import Admitted, admit
from core.datascience.models.bundle import unpack
from core.datascience.models.cost import measure
from core.datascience.models.gate import Limits
from core.datascience.models.importance import importance
from core.datascience.models.pointers import Scope
from core.datascience.models.versions import Trained
from core.deals import repository as deals
from core.forecasting.features import DealHistory
from core.forecasting.history import history
from core.kit.db import Database
from core.settings import Settings
from core.tenants import repository as tenants
from training.backtest.leaks import Leak
from training.forecasting import Report, train
from training.leaks import in_deals

if TYPE_CHECKING:
    from core.gateways.mlflow import Registry

Say = Callable[[str], None]


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Made:
    report: Report
    admitted: Admitted


async def train_forecasting(
    settings: Settings, tenant_id: UUID | None, say: Say = lambda _: None, *, algorithm: str = "xgboost"
) -> Report:
    """Fit on one tenant's deals, or on those of all. Raises `NotEnoughDeals`, `RecipeError`."""
    made = await fit(settings, tenant_id, say, algorithm=algorithm)
    for line in verdicts.tell(made.admitted.verdict, "en"):
        say(line)
    say(f"{made.admitted.row.name}@{made.admitted.row.version} is {made.admitted.row.status}")
    return made.report


async def fit(
    settings: Settings, tenant_id: UUID | None, say: Say = lambda _: None, *, algorithm: str = "xgboost",
    before: Callable[[], Awaitable[None]] = _nothing,
) -> Made:  # fmt: skip
    """The same with the version that came of it. `before`: asked before anything is registered; raises where nobody
    wants it any more."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        say("reading deals")
        histories = await _histories(db, tenant_id)
        scope = Scope.of_tenant(tenant_id) if tenant_id else Scope.everybody()
        report = await asyncio.to_thread(
            train, histories, algorithm=algorithm, say=say, least=settings.forecasting.min_closed_deals
        )
        leaks = await asyncio.to_thread(in_deals, histories or await _histories(db, tenant_id))
        for leak in leaks:
            say(f"leak: {leak.column} {leak.why}")
        say("logging to MLflow, registering, asking the gate")
        await before()
        admitted = await _register(settings, db, scope, report, leaks)
    finally:
        await db.close()
    return Made(report, admitted)


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


async def _register(settings: Settings, db: Database, scope: Scope, report: Report, leaks: Sequence[Leak]) -> Admitted:
    """Through the gate: the version, and what the gate said of it."""
    runs = await asyncio.to_thread(registry, settings)
    meta = unpack(report.bundle).meta
    trained = Trained(
        context=meta.context, algorithm=meta.algorithm, bundle=report.bundle, evidence=report.held_out.evidence,
        metrics=report.metrics, baseline=report.baseline, parameters=report.parameters, deals=report.deals,
        fingerprint=report.fingerprint, inputs=tuple(feature.model_dump() for feature in meta.features),
        importance=await asyncio.to_thread(importance, report.bundle, report.held_out.inputs),
        code=bootstrap.version(), learnt_until=meta.learnt_until, leaks=tuple(leak.column for leak in leaks),
    )  # fmt: skip
    return await admit(
        db, bootstrap.object_store(settings), runs, scope, trained, base_rate=report.held_out.base_rate,
        score=report.held_out.said_by, cost=await asyncio.to_thread(measure, report.bundle),
        limits=limits(settings),
    )  # fmt: skip


def limits(settings: Settings) -> Limits:
    """What the gate asks for."""
    return Limits(least_deals=settings.forecasting.min_closed_deals, **settings.gate.model_dump())


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
