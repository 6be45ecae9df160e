"""The queries about drift: what was predicted, what came of it, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, and_, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from core.datascience.drift.model import DriftProposal, DriftReport, DriftSettings
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.datascience.predictions.model import PredictionRow
from core.deals.model import Deal
from core.kit.db import Base, Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first

_MOST_DEALS = 5000
_MOST_ANSWERS = 50_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prediction of a deal that is closed now. `won`: it came as the context means it."""

    deal_id: UUID
    at: datetime
    probability: float
    won: bool
    closed_at: datetime
    input: dict[str, Any]


async def settings(tx: Tx) -> DriftSettings | None:
    return await tx.session.scalar(select(DriftSettings))


async def add(tx: Tx, rows: Sequence[Base]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


def _of(row: ModelVersion) -> ColumnElement[bool]:
    """The answers of one version."""
    scope = Scope.parse(row.scope)
    log = PredictionRow
    found = and_(log.context == row.context, log.basis == scope.kind, log.version == str(row.version))
    if scope.kind == "segment":
        said = func.translate(func.lower(log.input["segment"].astext), "- ", "__")
        found = and_(found, said == scope.segment)
    return found


def _came(row: ModelVersion) -> ColumnElement[bool]:
    """Did it come as predicted? A risk is that of losing."""
    return Deal.outcome == ("lost" if row.context == "risk" else "won")


async def newest_inputs(tx: Tx, row: ModelVersion, since: datetime) -> list[tuple[dict[str, Any], float]]:
    """The features and the probability of the newest answer for each deal."""
    query = (
        select(PredictionRow.input, PredictionRow.probability)
        .ext(distinct_on(PredictionRow.deal_id))
        .where(_of(row), PredictionRow.deal_id.is_not(None), PredictionRow.at >= since)
        .order_by(PredictionRow.deal_id, PredictionRow.id.desc())
        .limit(_MOST_DEALS)
    )
    return [(input_["features"], p) for input_, p in await tx.session.execute(query)]


async def outcomes(tx: Tx, row: ModelVersion, since: datetime) -> list[Outcome]:
    """What the version said of deals that closed since, once for each week of a deal, in the order of closing."""
    week = cast(func.date_trunc("week", PredictionRow.at), Date)
    query = (
        _answers(row)
        .ext(distinct_on(PredictionRow.deal_id, week))
        .where(Deal.closed_at >= since)
        .order_by(PredictionRow.deal_id, week, PredictionRow.id.desc())
    )
    return _in_order(await tx.session.execute(query))


async def answers(tx: Tx, row: ModelVersion, role: str, since: datetime) -> list[Outcome]:
    """All that the version said since, in this role, of deals that are closed now, in the order of closing."""
    query = _answers(row).where(PredictionRow.role == role, PredictionRow.at >= since)
    return _in_order(await tx.session.execute(query.order_by(PredictionRow.id.desc()).limit(_MOST_ANSWERS)))


def _answers(row: ModelVersion) -> Select[Any]:
    """Of deals that are closed now, given before they were."""
    return (
        select(
            PredictionRow.deal_id, PredictionRow.at, PredictionRow.probability, _came(row), Deal.closed_at,
            PredictionRow.input,
        )
        .join(Deal, Deal.id == PredictionRow.deal_id)
        .where(_of(row), Deal.outcome.is_not(None), PredictionRow.at < Deal.closed_at)
    )  # fmt: skip


def _in_order(rows: Iterable[Any]) -> list[Outcome]:
    return sorted((Outcome(*values) for values in rows), key=lambda o: (o.closed_at, o.deal_id, o.at))


async def proposals(tx: Tx, page: PageRequest, status: str | None = None) -> list[DriftProposal]:
    query = newest_first(select(DriftProposal), DriftProposal.id, page)
    if status is not None:
        query = query.where(DriftProposal.status == status)
    return list(await tx.session.scalars(query))


async def of_training(tx: Tx, training_id: UUID) -> list[DriftProposal]:
    """Whose training this is."""
    return list(await tx.session.scalars(select(DriftProposal).where(DriftProposal.training_id == training_id)))


async def proposal(tx: Tx, proposal_id: UUID) -> DriftProposal:
    row = await tx.session.get(DriftProposal, proposal_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such proposal. GET /v1/insights/drift/proposals lists them.")
    return row


async def open_proposal(tx: Tx, version_id: UUID) -> DriftProposal | None:
    query = select(DriftProposal).where(DriftProposal.version_id == version_id, DriftProposal.status == "open")
    return await tx.session.scalar(query)


async def newest_reports(tx: Tx) -> list[DriftReport]:
    """The newest of each version."""
    query = select(DriftReport).ext(distinct_on(DriftReport.version_id))
    return list(await tx.session.scalars(query.order_by(DriftReport.version_id, DriftReport.id.desc())))


async def reports(tx: Tx, page: PageRequest, version_id: UUID) -> list[DriftReport]:
    """Newest first."""
    query = select(DriftReport).where(DriftReport.version_id == version_id)
    return list(await tx.session.scalars(newest_first(query, DriftReport.id, page)))


async def versions_of(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, ModelVersion]:
    rows = await tx.session.scalars(select(ModelVersion).where(ModelVersion.id.in_(ids)))
    return {row.id: row for row in rows}


# ── scores over time ─────────────────────────────────────────────────────────────────────────────────────────────────


async def scores_of_deal(
    tx: Tx, deal_id: UUID, context: str, since: datetime | None, limit: int
) -> list[PredictionRow]:
    """What people were told of a deal, newest first."""
    query = select(PredictionRow).where(
        PredictionRow.deal_id == deal_id, PredictionRow.context == context, PredictionRow.role != "shadow"
    )
    if since is not None:
        query = query.where(PredictionRow.at >= since)
    return list(await tx.session.scalars(query.order_by(PredictionRow.id.desc()).limit(limit)))


async def scores_of_version(tx: Tx, row: ModelVersion, since: datetime) -> list[dict[str, Any]]:
    """By week: how many answers about how many deals, their mean and spread, and what share of those deals came."""
    week = cast(func.date_trunc("week", PredictionRow.at), Date).label("week")
    spread = [
        func.percentile_cont(q).within_group(PredictionRow.probability).label(name)
        for name, q in (("low", 0.1), ("middle", 0.5), ("high", 0.9))
    ]
    closed = Deal.outcome.is_not(None)
    query = (
        select(
            week, func.count().label("answers"), func.count(PredictionRow.deal_id.distinct()).label("deals"),
            func.avg(PredictionRow.probability).label("mean"), *spread,
            func.count(Deal.id.distinct()).filter(closed).label("closed"),
            func.count(Deal.id.distinct()).filter(_came(row)).label("came"),
        )
        .outerjoin(Deal, Deal.id == PredictionRow.deal_id)
        .where(_of(row), PredictionRow.at >= since)
        .group_by(week)
        .order_by(week)
    )  # fmt: skip
    return [dict(values) for values in (await tx.session.execute(query)).mappings()]
