"""The queries about tasks, and the one that restores a tenant's agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core.automation.model import HandledEvent, Task
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest

OPEN = ("suggested", "waiting", "approved")


async def task(tx: Tx, task_id: UUID, *, lock: bool = False) -> Task:
    found = await tx.session.get(Task, task_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such task.")
    return found


async def tasks(tx: Tx, page: PageRequest, *, status: str | None, deal_id: UUID | None) -> list[Task]:
    query = select(Task)
    if status is not None:
        query = query.where(Task.status == status)
    if deal_id is not None:
        query = query.where(Task.deal_id == deal_id)
    if page.before is not None:
        query = query.where(Task.id < page.before)
    return list((await tx.session.execute(query.order_by(Task.id.desc()).limit(page.limit))).scalars())


async def open_tasks(tx: Tx) -> list[tuple[UUID, str]]:
    """Deal and kind of every task that is not finished."""
    rows = await tx.session.execute(select(Task.deal_id, Task.kind).where(Task.status.in_(OPEN)))
    return [(deal_id, kind) for deal_id, kind in rows]


async def add_new(tx: Tx, rows: Sequence[dict[str, Any]]) -> list[UUID]:
    """Write tasks once: one that its event led to before is left alone. Returns the new ones' keys."""
    if not rows:
        return []
    query = insert(Task).values(list(rows)).on_conflict_do_nothing().returning(Task.id)
    return list((await tx.session.execute(query)).scalars())


async def mark_handled(tx: Tx, event_id: UUID, at: datetime) -> bool:
    """False where the event was handled before."""
    row = {"id": event_id, "tenant_id": tx.tenant_id, "at": at}
    query = insert(HandledEvent).values(row).on_conflict_do_nothing().returning(HandledEvent.id)
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def recently_handled(tx: Tx, most: int) -> list[UUID]:
    query = select(HandledEvent.id).order_by(HandledEvent.id.desc()).limit(most)
    return list((await tx.session.execute(query)).scalars())
