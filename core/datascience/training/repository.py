"""The queries about trainings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, text, update

from core.datascience.training.model import OPEN, Training, TrainingLine
from core.kit.db import Base, Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first

_MOST_LINES = 1000


async def lock(tx: Tx, context: str, algorithm: str) -> None:
    """One who asks for such a training of this tenant at a time, until the transaction ends."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended('trainings ' || :whose, 0))")
    await tx.session.execute(query, {"whose": f"{tx.tenant_id} {context} {algorithm}"})


async def add(tx: Tx, rows: Sequence[Base]) -> None:
    tx.session.add_all(rows)
    await tx.session.flush()


async def training(tx: Tx, training_id: UUID, *, held: bool = False) -> Training:
    """`held`: as it is now, and nobody else changes it until the transaction ends."""
    row = await tx.session.get(Training, training_id, with_for_update=held, populate_existing=held)
    if row is None:
        raise NotFound("There is no such training. GET /v1/insights/trainings lists them.")
    return row


async def under_way(tx: Tx, context: str, algorithm: str) -> Training | None:
    query = select(Training).where(
        Training.context == context, Training.algorithm == algorithm, Training.status.in_(OPEN)
    )
    return await tx.session.scalar(query)


async def trainings(
    tx: Tx, page: PageRequest, *, status: str | None = None, context: str | None = None
) -> list[Training]:
    """Newest first."""
    query = newest_first(select(Training), Training.id, page)
    if status is not None:
        query = query.where(Training.status == status)
    if context is not None:
        query = query.where(Training.context == context)
    return list(await tx.session.scalars(query))


async def unheld(tx: Tx) -> list[UUID]:
    """What nobody works on and should, oldest first."""
    free = or_(Training.lease_until.is_(None), Training.lease_until <= tx.clock.now())
    query = select(Training.id).where(Training.status.in_(OPEN), free)
    return list(await tx.session.scalars(query.order_by(Training.id)))


async def lines(tx: Tx, training_id: UUID) -> list[TrainingLine]:
    """Oldest first; of a long story the newest."""
    query = select(TrainingLine).where(TrainingLine.training_id == training_id)
    rows = await tx.session.scalars(query.order_by(TrainingLine.id.desc()).limit(_MOST_LINES))
    return list(rows)[::-1]


async def claim(tx: Tx, training_id: UUID, now: datetime, lease_until: datetime) -> Training | None:
    """Take what nobody holds; None where somebody does, or it is over."""
    free = or_(Training.lease_until.is_(None), Training.lease_until <= now)
    values = {"status": "running", "attempts": Training.attempts + 1, "lease_until": lease_until}
    return await _changed(tx, and_(Training.id == training_id, Training.status.in_(OPEN), free), values)


async def change(tx: Tx, training_id: UUID, attempt: int, values: dict[str, Any]) -> Training | None:
    """Of what this attempt holds; None where it holds it no more."""
    mine = and_(Training.id == training_id, Training.status == "running", Training.attempts == attempt)
    return await _changed(tx, mine, values)


async def _changed(tx: Tx, which: ColumnElement[bool], values: dict[str, Any]) -> Training | None:
    query = update(Training).where(which).values(values).returning(Training)
    return await tx.session.scalar(query.execution_options(populate_existing=True))
