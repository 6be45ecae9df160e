"""What runs by the clock about drift, and what a person starts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from cluster.models import find, house
from core.datascience.drift import check, recalibrate, repository, words
from core.datascience.models import verdicts, versions
from core.datascience.models.admit import Admitted, admit
from core.datascience.models.cost import measure
from core.datascience.models.pointers import Scope
from core.datascience.training import repository as training
from core.kit.errors import BadInput
from core.settings import Settings
from core.tenants import repository as tenants


async def checked(settings: Settings, language: str = "en") -> list[str]:
    """A line for each version of each tenant, and one for each finding."""
    async with house(settings) as home:
        reports = await check.check_all(home.db, home.objects)
    lines = []
    for tenant_id, report in reports:
        lines.append(f"{tenant_id}  {report.version_id}  {report.deals} deals, {len(report.findings)} findings")
        lines += [f"    {words.finding(found, language)}" for found in report.findings]
    return [*lines, f"{len(reports)} reports"]


async def carried_out(settings: Settings) -> list[str]:
    """Work in this process on what nobody works on: where no flows run."""
    from cluster import trainings

    lines = []
    async with house(settings) as home:
        async with home.db.system() as tx:
            everybody = await tenants.all_tenant_ids(tx)
        for tenant_id in everybody:
            async with home.db.tenant(tenant_id) as tx:
                wanted = await training.unheld(tx)
            for training_id in wanted:
                await trainings.run(settings, tenant_id, training_id)
                async with home.db.tenant(tenant_id) as tx:
                    row = await training.training(tx, training_id)
                    said = (await training.lines(tx, training_id))[-1].text
                lines.append(f"{tenant_id}  {row.id}  {row.action} {row.algorithm}: {row.status}, {said}")
    return [*lines, f"{len(lines)} carried out"]


async def recalibrated(settings: Settings, named: str, tenant_id: UUID | None, language: str = "en") -> list[str]:
    """The same, told."""
    admitted = await redrawn(settings, named, tenant_id)
    return [
        f"{admitted.row.name}@{admitted.row.version} is {admitted.row.status}",
        *verdicts.tell(admitted.verdict, language),
    ]


async def redrawn(settings: Settings, named: str, tenant_id: UUID | None) -> Admitted:
    """The version with a calibration drawn by the tenant's newer outcomes, through the gate, as a model of its own."""
    from cluster.training import limits, registry

    async with house(settings) as home:
        row = await find(home.db, named)
        scope = Scope.of_tenant(tenant_id) if tenant_id else Scope.parse(row.scope)
        if scope.tenant_id is None:
            raise BadInput("A model for all is recalibrated for one tenant at a time: name it by --tenant.")
        raw = await versions.bundle_of(home.objects, row)
        async with home.db.tenant(scope.tenant_id) as tx:
            since = tx.clock.now() - timedelta(days=check.WINDOW_DAYS)
            closed = await repository.outcomes(tx, row, since)
        made = await asyncio.to_thread(recalibrate.redraw, row, raw, closed)
        return await admit(
            home.db, home.objects, await asyncio.to_thread(registry, settings), scope, made.trained,
            base_rate=made.base_rate, score=lambda other: recalibrate.said_by(other, made.newer),
            cost=await asyncio.to_thread(measure, made.trained.bundle),
            limits=limits(settings),
        )  # fmt: skip
