from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from core.automation import repository
from core.automation.decide_task import decide
from core.automation.model import Task
from core.content import repository as content
from core.content.api import DraftOut
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/tasks", tags=["automation"], route_class=TenantRoute)
SEE, DECIDE = allow("can_view_tasks"), allow("can_decide_task")


class TaskOut(BaseModel):
    """What the follow-up agent wants done, and why. `waiting`: for somebody's approval. `withdrawn_because`:
    `customer_answered`, or `deal_closed`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    deal_id: UUID
    call_id: UUID | None
    kind: str
    template: str | None
    status: str
    priority: int
    title: str
    reasons: list[dict[str, Any]]
    due_at: datetime
    created_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    withdrawn_because: str | None


class TaskWithDraft(TaskOut):
    draft: DraftOut | None = None


@router.get("", dependencies=[SEE])
async def list_tasks(
    tx: CurrentTx,
    page: Paging,
    status: Literal["suggested", "waiting", "approved", "dismissed", "done", "failed", "withdrawn"] | None = None,
    deal_id: UUID | None = None,
) -> Page[TaskOut]:
    rows = await repository.tasks(tx, page, status=status, deal_id=deal_id)
    return Page(items=[TaskOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/{task_id}", dependencies=[SEE], summary="One task, with the text drafted for it")
async def read_task(task_id: UUID, tx: CurrentTx) -> TaskWithDraft:
    return await _shown(tx, await repository.task(tx, task_id))


@router.post("/{task_id}/approve", dependencies=[DECIDE], summary="Let it be done")
async def approve_task(task_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> TaskWithDraft:
    return await _shown(tx, await decide(tx, task_id, "approved", by=identity.user_id))


@router.post("/{task_id}/dismiss", dependencies=[DECIDE], summary="Let it not be done")
async def dismiss_task(task_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> TaskWithDraft:
    return await _shown(tx, await decide(tx, task_id, "dismissed", by=identity.user_id))


async def _shown(tx: CurrentTx, task: Task) -> TaskWithDraft:
    draft = await content.of_task(tx, task.id)
    shown = TaskWithDraft.model_validate(task)
    shown.draft = DraftOut.model_validate(draft) if draft else None
    return shown
