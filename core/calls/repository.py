"""The queries about calls and transcripts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update

from core.calls.model import Call, Transcript
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest, newest_first


async def call(tx: Tx, call_id: UUID, *, lock: bool = False) -> Call:
    found = await tx.session.get(Call, call_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound("There is no such call.")
    return found


def object_key(call: Call) -> str:
    """Where its sound lies."""
    if call.object_key is None:
        raise NotFound("The recording was deleted: its time was over, or somebody on it was erased.")
    return call.object_key


async def by_content(tx: Tx, content_hash: str) -> Call | None:
    return (await tx.session.execute(select(Call).where(Call.content_hash == content_hash))).scalar_one_or_none()


async def calls(tx: Tx, page: PageRequest, *, deal_id: UUID | None, status: str | None) -> list[Call]:
    query = select(Call)
    if deal_id is not None:
        query = query.where(Call.deal_id == deal_id)
    if status is not None:
        query = query.where(Call.status == status)
    return list((await tx.session.execute(newest_first(query, Call.id, page))).scalars())


async def add(tx: Tx, row: Call | Transcript) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def transcript(tx: Tx, call_id: UUID) -> Transcript | None:
    return await tx.session.get(Transcript, call_id)


async def set_status(tx: Tx, call_id: UUID, status: str, *, error: str | None = None) -> None:
    await tx.session.execute(update(Call).where(Call.id == call_id).values(status=status, error=error))


async def ready_ids(tx: Tx) -> list[UUID]:
    """Of all calls whose results are there."""
    return list((await tx.session.execute(select(Call.id).where(Call.status == "ready").order_by(Call.id))).scalars())
