"""The queries about the log of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core.datascience.predictions.model import PredictionRow
from core.kit.db import Tx
from core.kit.pages import PageRequest, newest_first

if TYPE_CHECKING:
    from core.datascience.predictions.log import Logged

MOST_REASONS = 8
"""Of one answer, in the log; the rest follows from the input and the version."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None: whatever they say."""

    context: str | None = None
    deal_id: UUID | None = None
    source: str | None = None
    role: str | None = None
    basis: str | None = None
    model: str | None = None
    version: str | None = None
    outside: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


async def add_all(tx: Tx, rows: Sequence[Logged]) -> None:
    """A row that stands there already is left alone."""
    values = [{"id": row.id, "tenant_id": tx.tenant_id, **_columns(row)} for row in rows]
    await tx.session.execute(insert(PredictionRow).on_conflict_do_nothing(), values)


def _columns(row: Logged) -> dict[str, object]:
    told = row.answer
    output = {
        name: getattr(told, name)
        for name in ("low", "high", "days_low", "days_to_close", "days_high", "amount_low", "amount", "amount_high")
    }
    loudest = {reason.feature: reason.impact for reason in told.reasons[:MOST_REASONS]}
    return {
        "at": row.at, "context": told.context, "deal_id": row.question.deal_id, "source": row.source,
        "role": row.role, "basis": told.basis, "model": told.model, "version": told.version,
        "probability": told.probability, "input": _input(row), "output": {**output, "reasons": loudest},
        "outside": list(told.outside), "latency_ms": round(row.latency_ms, 4),
    }  # fmt: skip


def _input(row: Logged) -> dict[str, object]:
    asked = row.question
    more = {"events": asked.events} if asked.events else {}
    return {"features": dict(asked.features), "segment": asked.segment, **more}


async def rows(tx: Tx, page: PageRequest, wanted: Wanted) -> list[PredictionRow]:
    query = select(PredictionRow)
    for name in ("context", "deal_id", "source", "role", "basis", "model", "version"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(PredictionRow, name) == value)
    if wanted.outside is not None:
        beyond = PredictionRow.outside != []
        query = query.where(beyond if wanted.outside else ~beyond)
    if wanted.since is not None:
        query = query.where(PredictionRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(PredictionRow.at < wanted.until)
    return list((await tx.session.execute(newest_first(query, PredictionRow.id, page))).scalars())


async def delete_before(tx: Tx, before: datetime, limit: int) -> int:
    old = select(PredictionRow.id).where(PredictionRow.at < before).order_by(PredictionRow.at).limit(limit)
    gone = await tx.session.execute(delete(PredictionRow).where(PredictionRow.id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]
