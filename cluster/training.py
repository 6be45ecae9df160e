"""Training jobs over the product's own data: read deals, fit on Ray, register, ask the gate, tell serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
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
from core.kit.clock import SystemClock
from core.kit.db import Database
from core.settings import Settings
from core.tenants import repository as tenants
from training import code, recipes
from training.backtest.leaks import Leak
from training.forecasting import Context, Report, train
from training.leaks import in_deals
from training.plots import pictures
from training.run import Run, Tell, forget, opened, silent, sweep
from training.run import asked as write_down

if TYPE_CHECKING:
    from core.gateways.mlflow import Registry

Say = Callable[[str], None]


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Made:
    report: Report
    admitted: Admitted


@dataclass(frozen=True, slots=True)
class Asked:
    """What to train. `tenant_id` None: on the deals of all. `tune`: trials of a search for better parameters. `job`: a
    name under which it goes on where it was killed."""

    tenant_id: UUID | None = None
    algorithm: str = "xgboost"
    tune: int = 0
    context: Context = "forecast"
    job: str | None = None


async def train_forecasting(settings: Settings, asked: Asked, tell: Tell = silent, say: Say = lambda _: None) -> Report:
    """Raises `NotEnoughDeals`, `RecipeError`, `Conflict`. `say` hears of the gate."""
    made = await fit(settings, asked, tell)
    for line in verdicts.tell(made.admitted.verdict, "en"):
        say(line)
    say(f"{made.admitted.row.name}@{made.admitted.row.version} is {made.admitted.row.status}")
    return made.report


async def fit(
    settings: Settings, asked: Asked, tell: Tell = silent, *, before: Callable[[], Awaitable[None]] = _nothing
) -> Made:
    """The same with the version that came of it. `before`: asked before anything is registered; raises where nobody
    wants it any more."""
    recipe, how = recipes.forecasting(), recipes.of(asked.algorithm)
    jobs = settings.data_dir / "training"
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    with ExitStack() as stack:
        run = Run(on_ray=True, tell=tell)
        if asked.job is not None:
            await asyncio.to_thread(sweep, jobs, SystemClock().now())
            folder = stack.enter_context(opened(jobs / asked.job))
            write_down(folder, {"asked": asked, "recipe": recipe, "how": how})
            run = Run(folder, on_ray=True, tell=tell)
        try:
            tell("reading deals", 0.0)
            histories = [] if run.has("data") else await _histories(db, asked.tenant_id)
            report = await asyncio.to_thread(
                train, histories, recipe=recipe, how=how, run=run, tune=asked.tune, context=asked.context,
                least=settings.forecasting.min_closed_deals,
            )  # fmt: skip
            tell("looking for leaks", 0.9)
            leaks = await asyncio.to_thread(in_deals, histories or await _histories(db, asked.tenant_id))
            for leak in leaks:
                tell(f"leak: {leak.column} {leak.why}", 0.9)
            tell("logging to MLflow, registering, asking the gate", 0.92)
            await before()
            scope = Scope.of_tenant(asked.tenant_id) if asked.tenant_id else Scope.everybody()
            admitted = await _register(settings, db, scope, report, leaks)
            if run.folder is not None:
                forget(run.folder)
        finally:
            await db.close()
    tell("done", 1.0)
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
        code=code.version(), learnt_until=meta.learnt_until,
    )  # fmt: skip
    return await admit(
        db, bootstrap.object_store(settings), runs, scope, trained, base_rate=report.held_out.base_rate,
        score=report.held_out.said_by, cost=await asyncio.to_thread(measure, report.bundle),
        limits=limits(settings),
        files=await asyncio.to_thread(pictures, report),
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
