"""The queries about drafts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from core.content.model import Draft
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first


async def draft(tx: Tx, draft_id: UUID, *, lock: bool = False) -> Draft:
    found = await tx.session.get(Draft, draft_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such draft.")
    return found


async def of_task(tx: Tx, task_id: UUID) -> Draft | None:
    return (await tx.session.execute(select(Draft).where(Draft.task_id == task_id))).scalar_one_or_none()


async def drafts(tx: Tx, page: PageRequest, *, deal_id: UUID | None) -> list[Draft]:
    query = select(Draft)
    if deal_id is not None:
        query = query.where(Draft.deal_id == deal_id)
    return list((await tx.session.execute(newest_first(query, Draft.id, page))).scalars())


async def add(tx: Tx, row: Draft) -> None:
    tx.session.add(row)
    await tx.session.flush()
