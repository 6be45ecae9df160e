from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, StringConstraints

from core.audit import repository
from core.audit.schemas import AuditEntryOut
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=TenantRoute)
SEE = allow("can_view_audit")
_LINES = "application/x-ndjson"

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@router.get("", dependencies=[SEE], summary="Who did what, newest first")
async def list_entries(
    tx: CurrentTx,
    page: Paging,
    action: Annotated[Word | None, Query(description="Such as session.opened")] = None,
    subject: Annotated[Word | None, Query(description="Such as user:<id>")] = None,
    actor_id: UUID | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Page[AuditEntryOut]:
    rows = await repository.entries(
        tx, page, action=action, subject=subject, actor_id=actor_id, since=since, until=until
    )
    return Page(items=[AuditEntryOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get(
    "/export", dependencies=[SEE], summary="The trail in its order, a line of JSON for each entry",
    response_class=Response, responses={200: {"content": {_LINES: {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def export_entries(
    tx: CurrentTx,
    after: Annotated[int, Query(ge=0, le=2**62, description="The last `seq` that you have")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> Response:
    """With the hashes, so that anybody can check the chain for himself. Ask on with `after` until nothing comes."""
    rows = await repository.after(tx, after, limit)
    tx.audit("audit.exported", f"tenant:{tx.tenant_id}", after={"from": after, "count": len(rows)})
    lines = "".join(AuditEntryOut.model_validate(row).model_dump_json() + "\n" for row in rows)
    return Response(lines, media_type=_LINES, headers={"Content-Disposition": 'attachment; filename="audit.ndjson"'})
