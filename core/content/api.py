from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from core.content import repository
from core.kit.errors import Conflict, FieldProblem, Invalid
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/drafts", tags=["content"], route_class=TenantRoute)
SEE = allow("can_view_tasks")


class FactOut(BaseModel):
    name: str
    text: str
    source: str


class DraftOut(BaseModel):
    """A text with every fact in it and where each is known from. `written_by` says which engine wrote it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    task_id: UUID | None
    deal_id: UUID
    call_id: UUID | None
    kind: str
    language: str
    subject: str
    body: str
    facts: list[FactOut]
    written_by: str
    status: str
    created_at: datetime


class DraftChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)] | None = None
    body: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None


@router.get("", dependencies=[SEE])
async def list_drafts(tx: CurrentTx, page: Paging, deal_id: UUID | None = None) -> Page[DraftOut]:
    rows = await repository.drafts(tx, page, deal_id=deal_id)
    return Page(items=[DraftOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/{draft_id}", dependencies=[SEE])
async def read_draft(draft_id: UUID, tx: CurrentTx) -> DraftOut:
    return DraftOut.model_validate(await repository.draft(tx, draft_id))


@router.patch("/{draft_id}", dependencies=[allow("can_decide_task")], summary="Change the text before it is approved")
async def change_draft(draft_id: UUID, body: DraftChange, tx: CurrentTx) -> DraftOut:
    draft = await repository.draft(tx, draft_id, lock=True)
    if draft.status == "approved":
        raise Conflict("An approved draft stays as it is.")
    sent = body.model_dump(exclude_none=True)
    if not sent:
        problem = FieldProblem("body", "neither `subject` nor `body` was sent")
        raise Invalid("Nothing to change.", problems=[problem])
    for name, value in sent.items():
        setattr(draft, name, value)
    draft.status = "edited"
    return DraftOut.model_validate(draft)
