from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from core.automation import repository as tasks
from core.automation.api import TaskOut
from core.automation.execution import repository, switch
from core.kit.db import Tx
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow

router = APIRouter(tags=["automation"], route_class=TenantRoute)
SEE, DECIDE, MANAGE = allow("can_view_tasks"), allow("can_decide_task"), allow("can_manage_rules")


class AttemptOut(BaseModel):
    """One try. `outcome`: begun | done | failed (and tried again) | refused (and given up) | held (paused just
    then).
    One that stays `begun` was cut short."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    task_id: UUID
    number: int
    destination: str
    outcome: str
    error: str | None
    at: datetime
    ended_at: datetime | None


class LoggedAttempt(AttemptOut):
    deal_id: UUID
    kind: str


class AutomationState(BaseModel):
    """`running`, `paused` by the company, or `halted` for all companies by whoever operates the product."""

    state: str
    reason: str | None = None
    since: datetime | None = None


@router.get("/v1/tasks/{task_id}/attempts", dependencies=[SEE], summary="Each try to carry it out")
async def list_attempts(task_id: UUID, tx: CurrentTx) -> list[AttemptOut]:
    await tasks.task(tx, task_id)
    return [AttemptOut.model_validate(row) for row in await repository.attempts(tx, task_id)]


@router.post("/v1/tasks/{task_id}/retry", dependencies=[DECIDE], summary="Try once more what was given up")
async def retry_task(task_id: UUID, tx: CurrentTx, identity: CurrentIdentity) -> TaskOut:
    return TaskOut.model_validate(await switch.retry(tx, task_id, by=identity.user_id))


@router.get("/v1/automation/log", dependencies=[SEE], summary="What was tried, the newest first")
async def read_log(tx: CurrentTx, page: Paging) -> Page[LoggedAttempt]:
    rows = await repository.log(tx, page)
    items = [
        LoggedAttempt(**AttemptOut.model_validate(row).model_dump(), deal_id=task.deal_id, kind=task.kind)
        for row, task in rows
    ]
    return Page(items=items, next_cursor=next_cursor([row for row, _ in rows], page))


@router.get("/v1/automation/state", dependencies=[SEE], summary="Is what was approved carried out")
async def read_state(tx: CurrentTx) -> AutomationState:
    return await _state(tx)


@router.post("/v1/automation/pause", dependencies=[MANAGE], summary="Carry nothing out until further notice")
async def pause(tx: CurrentTx, identity: CurrentIdentity) -> AutomationState:
    await switch.pause(tx, by=identity.user_id)
    return await _state(tx)


@router.post("/v1/automation/resume", dependencies=[MANAGE], summary="Go on, with what fell due meanwhile")
async def resume(tx: CurrentTx) -> AutomationState:
    await switch.resume(tx)
    return await _state(tx)


async def _state(tx: Tx) -> AutomationState:
    if (halt := await repository.halt(tx)) is not None:
        return AutomationState(state="halted", reason=halt.reason, since=halt.at)
    if (own := await repository.pause(tx)) is not None:
        return AutomationState(state="paused", since=own.at)
    return AutomationState(state="running")
