from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response, WebSocket

from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow
from core.live import repository
from core.live.conversation import Conversation
from core.live.schemas import FeedbackIn, SessionOut, Status
from core.live.suggest import feedback
from core.live.suggest import repository as suggestions

router = APIRouter(prefix="/v1/live", tags=["live"], route_class=TenantRoute)
SEE, TALK = allow("can_view_calls"), allow("can_upload_call")


@router.websocket("", dependencies=[TALK])
async def live(socket: WebSocket) -> None:
    """A call while it goes on: sound in, text and suggestions out. The messages are described at /asyncapi.json."""
    await Conversation(socket).run()


@router.get("/sessions", dependencies=[SEE], summary="Live sessions, newest first")
async def list_sessions(
    tx: CurrentTx, page: Paging, deal_id: UUID | None = None, status: Status | None = None
) -> Page[SessionOut]:
    rows = await repository.sessions(tx, page, deal_id=deal_id, status=status)
    return Page(items=[SessionOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/sessions/{session_id}", dependencies=[SEE])
async def read_session(session_id: UUID, tx: CurrentTx) -> SessionOut:
    return SessionOut.model_validate(await repository.session(tx, session_id))


@router.post(
    "/suggestions/{suggestion_id}/feedback", status_code=204, dependencies=[TALK],
    summary="What came of a suggestion, also after the call",
)  # fmt: skip
async def give_feedback(suggestion_id: UUID, body: FeedbackIn, tx: CurrentTx) -> Response:
    row = await suggestions.suggestion(tx, suggestion_id)
    await repository.session(tx, row.session_id)  # who may not see the session has no say
    if body.verdict is not None:
        await feedback.judge(tx, suggestion_id, body.verdict)
    if body.rating is not None:
        await feedback.rate(tx, suggestion_id, body.rating)
    return Response(status_code=204)
