"""A person says yes or no to what the agent proposed."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from core.automation import repository
from core.automation.model import Task
from core.content import repository as content
from core.kit.db import Tx
from core.kit.errors import Conflict
from core.kit.events import Event, EventType


async def decide(tx: Tx, task_id: UUID, verdict: Literal["approved", "dismissed"], *, by: UUID) -> Task:
    """Saying the same twice changes nothing; another verdict than the first is a `Conflict`."""
    task = await repository.task(tx, task_id, lock=True)
    if task.status == verdict:
        return task
    if task.status not in ("waiting", "suggested"):
        raise Conflict(f"This task is already {task.status}.")
    task.status = verdict
    task.decided_at = tx.clock.now()
    task.decided_by = by
    draft = await content.of_task(tx, task_id)
    edited = draft is not None and draft.status == "edited"
    if draft is not None and verdict == "approved":
        draft.status = "approved"
    data = {"deal_id": str(task.deal_id), "kind": task.kind, "verdict": verdict, "edited": edited}
    await tx.emit(Event(EventType.TASK_DECIDED, tx.tenant_id, task.id, data, at=tx.clock.now()))
    return task
