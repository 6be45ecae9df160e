"""The queries about competitors."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select

from core.competitors.model import Competitor
from core.kit.db import Tx
from core.kit.errors import NotFound


async def all_of(tx: Tx) -> list[Competitor]:
    return list((await tx.session.execute(select(Competitor).order_by(Competitor.name))).scalars())


async def one(tx: Tx, competitor_id: UUID) -> Competitor:
    found = await tx.session.get(Competitor, competitor_id)
    if found is None:
        raise NotFound("There is no such competitor.")
    return found


async def add(tx: Tx, row: Competitor) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def remove(tx: Tx, competitor_id: UUID) -> None:
    await one(tx, competitor_id)
    await tx.session.execute(delete(Competitor).where(Competitor.id == competitor_id))
