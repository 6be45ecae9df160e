"""Look at every version that answers in a tenant: its inputs, its score, its quality; write down what was seen and
propose, or start, what should follow."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from core.datascience.drift import measures, repository, rules
from core.datascience.drift.measures import Shift
from core.datascience.drift.model import DriftProposal, DriftReport, DriftSettings
from core.datascience.drift.repository import Outcome
from core.datascience.drift.rules import Finding, Limits, Realised
from core.datascience.models import reference, versions
from core.datascience.models import repository as models
from core.datascience.models.bundle import unpack
from core.datascience.models.evidence import number
from core.datascience.models.model import ModelVersion
from core.datascience.training.ask import Wanted, ask
from core.kit.db import Database, Tx
from core.kit.errors import BadAnswer, Conflict
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.log import logger
from core.ports import ObjectStore
from core.tenants import repository as tenants

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logger("drift")
WINDOW_DAYS = 90
WITH_OUTCOMES = ("forecast", "risk")
"""Contexts whose answers a deal's outcome proves right or wrong."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was measured of one version."""

    inputs: Mapping[str, Shift]
    score: Shift | None
    quality: Realised | None
    findings: Sequence[Finding]
    deals: int


def defaults(tenant_id: UUID) -> DriftSettings:
    """What holds for a tenant that never changed it."""
    return DriftSettings(id=new_id(), tenant_id=tenant_id, window_days=WINDOW_DAYS, automatic=False, **asdict(Limits()))


def limits_of(settings: DriftSettings) -> Limits:
    return Limits(**{each.name: getattr(settings, each.name) for each in fields(Limits)})


async def check_all(db: Database, objects: ObjectStore) -> list[tuple[UUID, DriftReport]]:
    """Every tenant, each in a transaction of its own; one that fails does not keep the others waiting."""
    async with db.system() as tx:
        wanted = await tenants.all_tenant_ids(tx)
    found: list[tuple[UUID, DriftReport]] = []
    for tenant_id in wanted:
        try:
            async with db.tenant(tenant_id) as tx:
                found += [(tenant_id, report) for report in await check(tx, objects)]
        except Exception as error:
            log.error("drift_unchecked", tenant=str(tenant_id), error=type(error).__name__)
    return found


async def check(tx: Tx, objects: ObjectStore) -> list[DriftReport]:
    """The versions with an alias that answered in this tenant lately."""
    settings = await repository.settings(tx) or defaults(tx.tenant_id)
    since = tx.clock.now() - timedelta(days=settings.window_days)
    reports = []
    for row in await models.bearers(tx):
        seen = await _look(tx, objects, row, since, limits_of(settings))
        if seen.deals:
            reports.append(await _write(tx, row, seen, since, automatic=settings.automatic))
    return reports


async def decide(tx: Tx, proposal_id: UUID, accept: bool) -> DriftProposal:
    """A person's word on a proposal; a repeated one changes nothing."""
    row = await repository.proposal(tx, proposal_id)
    wanted = "accepted" if accept else "dismissed"
    if row.status == wanted or (accept and row.status in ("done", "failed")):
        return row
    if row.status != "open":
        raise Conflict(f"This proposal is {row.status} already.")
    row.status, row.decided_at = wanted, tx.clock.now()
    row.decided_by = tx.actor.user_id if tx.actor else None
    tx.audit(f"drift.{wanted}", f"proposal:{row.id}", after={"action": row.action, "version": row.version_id})
    if accept:
        await _request(tx, row, (await repository.versions_of(tx, [row.version_id]))[row.version_id])
    return row


async def close_proposals(tx: Tx, training_id: UUID, done: bool) -> None:
    """What was accepted has been tried: a version came of it, or it could not be made."""
    for row in await repository.of_training(tx, training_id):
        row.status = "done" if done else "failed"


async def _look(tx: Tx, objects: ObjectStore, row: ModelVersion, since: datetime, limits: Limits) -> Seen:
    asked = await repository.newest_inputs(tx, row, since)
    closed = await repository.outcomes(tx, row, since) if row.context in WITH_OUTCOMES else []
    if not asked and not closed:
        return Seen({}, None, None, (), 0)
    told = await _reference(objects, row)
    return await asyncio.to_thread(_measure, asked, closed, told, row.metrics, limits)


async def _reference(objects: ObjectStore, row: ModelVersion) -> Mapping[str, Any]:
    try:
        return unpack(await versions.bundle_of(objects, row)).meta.reference
    except BadAnswer as error:
        log.warning("reference_unread", version_id=str(row.id), reason=error.detail)
        return {}


def _measure(
    asked: Sequence[tuple[Mapping[str, Any], float]], closed: Sequence[Outcome], told: Mapping[str, Any],
    before: Mapping[str, float], limits: Limits,
) -> Seen:  # fmt: skip
    import numpy as np

    features, score = reference.read(told)
    inputs = {
        name: measures.shift(histogram, np.array([_value(given, name) for given, _ in asked], np.float64))
        for name, histogram in features.items()
    } if asked else {}  # fmt: skip
    moved = measures.shift(score, np.array([p for _, p in asked], np.float64)) if score and asked else None
    quality = rules.realised(*arrays(closed)) if closed else None
    found = rules.findings(inputs, moved, quality, before, limits)
    return Seen(inputs, moved, quality, found, max(len(asked), quality.deals if quality else 0))


def _value(given: Mapping[str, Any], name: str) -> float:
    value = given.get(name)
    return math.nan if value is None else float(value)


def arrays(closed: Sequence[Outcome]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """`won`, what was said, and the deal, all (rows,)."""
    import numpy as np

    return (
        np.array([outcome.won for outcome in closed], np.float64),
        np.array([outcome.probability for outcome in closed], np.float64),
        np.array([number(outcome.deal_id) for outcome in closed], np.int64),
    )


async def _write(tx: Tx, row: ModelVersion, seen: Seen, since: datetime, *, automatic: bool) -> DriftReport:
    report = DriftReport(
        id=new_id(), tenant_id=tx.tenant_id, version_id=row.id, at=tx.clock.now(), since=since, deals=seen.deals,
        inputs={name: asdict(shift) for name, shift in seen.inputs.items()},
        score=asdict(seen.score) if seen.score else None, quality=asdict(seen.quality) if seen.quality else None,
        findings=[asdict(finding) for finding in seen.findings],
    )  # fmt: skip
    await repository.add(tx, [report])
    action = rules.action(list(seen.findings))
    if action is None or await repository.open_proposal(tx, row.id) is not None:
        return report
    proposal = DriftProposal(
        id=new_id(), tenant_id=tx.tenant_id, report_id=report.id, version_id=row.id, action=action, status="open",
        at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, [proposal])
    data = {
        "version_id": str(row.id), "proposal_id": str(proposal.id), "action": action, "automatic": automatic,
        "kinds": sorted({finding.kind for finding in seen.findings}),
    }  # fmt: skip
    await tx.emit(Event(EventType.DRIFT_FOUND, tx.tenant_id, report.id, data, at=tx.clock.now()))
    if automatic:
        with contextlib.suppress(Conflict):  # one is under way: this waits for a person
            await _request(tx, proposal, row)
            proposal.status = "automatic"
    return report


async def _request(tx: Tx, proposal: DriftProposal, row: ModelVersion) -> None:
    """What answers for all cannot be trained for one: the tenant gets a model of its own, if it has enough deals."""
    action: Literal["retrain", "recalibrate"] = "recalibrate" if proposal.action == "recalibrate" else "retrain"
    wanted = Wanted(row.context, row.algorithm, action, "drift", row.id)
    proposal.training_id = (await ask(tx, wanted)).id
