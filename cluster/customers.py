"""Groups of customers over the product's own data: read accounts, find groups, register, write who belongs where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from cluster.training import registry
from core import bootstrap
from core.datascience.features.store import FeatureStore
from core.datascience.groups import repository, words
from core.datascience.groups.assign import of_accounts
from core.datascience.groups.grouping import CONTEXT
from core.datascience.groups.profile import NAMES, Known
from core.datascience.models import verdicts, versions
from core.datascience.models.admit import Runs, mirror
from core.datascience.models.evidence import Evidence
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.datascience.models.versions import Trained
from core.kit.db import Database
from core.ports import ObjectStore
from core.settings import Settings
from core.tenants import repository as tenants
from training import recipes
from training.customers import NotEnoughAccounts, Report, train
from training.run import Tell, silent

Say = Callable[[str], None]
BATCH = 500


@dataclass(frozen=True, slots=True)
class Made:
    """`written`: accounts whose group is new in the feature store; none where the verdict was against the groups."""

    tenant_id: UUID
    report: Report
    row: ModelVersion
    written: int


async def train_customers(
    settings: Settings, tenant_id: UUID | None, tell: Tell = silent, say: Say = lambda _: None
) -> list[Made]:
    """Each company's customers by themselves: one knows nothing of another's. Raises `NotEnoughAccounts` where only one
    was asked for, `RecipeError`."""
    recipe = recipes.customers()
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        runs = await asyncio.to_thread(registry, settings)
        made = []
        for one in [tenant_id] if tenant_id else await _tenants(db):
            async with db.tenant(one) as tx:
                at = tx.clock.now()
                accounts = await repository.known(tx, at)
            try:
                report = await asyncio.to_thread(train, accounts, recipe, tell)
            except NotEnoughAccounts as error:
                if tenant_id:
                    raise
                say(f"{one}: {error.detail}")
                continue
            row = await register(db, bootstrap.object_store(settings), runs, one, report, at)
            written = await assign(db, bootstrap.features(settings, db), row, report, accounts, at)
            made.append(Made(one, report, row, written))
            for line in lines(made[-1]):
                say(line)
        tell("done", 1.0)
        return made
    finally:
        await db.close()


async def register(
    db: Database, objects: ObjectStore, runs: Runs, tenant_id: UUID, report: Report, at: datetime
) -> ModelVersion:
    """Logged, registered and judged: stable groups beyond chance become the champion, others stay as refused."""
    scope, best = Scope.of_tenant(tenant_id), report.choices[0]
    nothing = np.zeros(0)
    trained = Trained(
        context=CONTEXT, algorithm=best.cut.method, bundle=report.grouping.to_bytes(),
        evidence=Evidence(nothing.astype(int), nothing.astype(int), nothing, nothing), metrics=report.metrics,
        deals=report.deals, fingerprint=report.fingerprint, inputs=(), importance=report.importance,
        parameters={"groups": best.groups, "method": best.cut.method, "features": ", ".join(NAMES)},
        code=bootstrap.version(), learnt_until=at,
    )  # fmt: skip
    tags = {"algorithm": best.cut.method, "context": CONTEXT, "fingerprint": report.fingerprint, "code": trained.code}
    logged = await asyncio.to_thread(
        runs.log_and_register, versions.name_of(CONTEXT, scope), trained.bundle, parameters=trained.parameters or {},
        metrics=trained.metrics, files=report.tables(), tags=tags,
    )  # fmt: skip
    async with db.tenant(tenant_id) as tx:
        row = await versions.register(tx, objects, scope, trained, version=logged.version, run_id=logged.run_id)
        row = await versions.judge(tx, objects, row.id, report.verdict)
    note = {"verdict": "\n".join(verdicts.tell(report.verdict, "en"))}
    await asyncio.to_thread(runs.note, row.name, row.version, note)
    await mirror(db, runs, CONTEXT, scope)
    return row


async def assign(
    db: Database, store: FeatureStore, row: ModelVersion, report: Report, accounts: Sequence[Known], at: datetime
) -> int:
    """How many accounts were written; each batch is a transaction of its own, and a repeated one changes nothing."""
    if not report.verdict.passed:
        return 0
    assert row.tenant_id is not None
    written = 0
    for first in range(0, len(accounts), BATCH):
        async with db.tenant(row.tenant_id) as tx:
            given = of_accounts(report.grouping, row, accounts[first : first + BATCH], at)
            written += await store.write(tx, given)
    return written


def lines(made: Made) -> list[str]:
    said = [f"{made.row.name}@{made.row.version} is {made.row.status}", *verdicts.tell(made.report.verdict, "en")]
    for group in made.report.grouping.groups:
        whole = words.describe(group, made.report.accounts, "en")
        said.append(f"{group.number}  {words.name(group, 'en')}: {whole}")
    return [*said, f"{made.written} accounts written to the feature store"]


async def _tenants(db: Database) -> list[UUID]:
    async with db.system() as tx:
        return await tenants.all_tenant_ids(tx)
