"""What was to be done is not to be done any more: the customer has answered, or the deal is closed."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from core.automation import repository
from core.automation.model import Task
from core.kit.db import Tx
from core.kit.events import Event, EventType

Because = Literal["customer_answered", "deal_closed"]
TO_CUSTOMER = ("send_email", "schedule_meeting")
"""Kinds of tasks that reach the customer."""


async def withdraw(tx: Tx, deal_id: UUID, because: Because, cause: Event) -> list[Task]:
    """All that is open of the deal from before the event. Returns what was taken back."""
    gone = await repository.withdraw(tx, deal_id, because, cause.id, cause.at)
    for task in gone:
        await say(tx, task, because)
    return gone


async def say(tx: Tx, task: Task, because: Because) -> None:
    data = {"deal_id": str(task.deal_id), "kind": task.kind, "because": because}
    await tx.emit(Event(EventType.TASK_WITHDRAWN, tx.tenant_id, task.id, data, at=tx.clock.now()))
