"""The queries about live sessions."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first
from core.live.model import LiveSessionRow


async def session(tx: Tx, session_id: UUID, *, lock: bool = False) -> LiveSessionRow:
    found = await tx.session.get(LiveSessionRow, session_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("There is no such session.")
    return found


async def sessions(tx: Tx, page: PageRequest, *, deal_id: UUID | None, status: str | None) -> list[LiveSessionRow]:
    query = select(LiveSessionRow)
    if deal_id is not None:
        query = query.where(LiveSessionRow.deal_id == deal_id)
    if status is not None:
        query = query.where(LiveSessionRow.status == status)
    return list((await tx.session.execute(newest_first(query, LiveSessionRow.id, page))).scalars())


async def add(tx: Tx, row: LiveSessionRow) -> None:
    tx.session.add(row)
    await tx.session.flush()
