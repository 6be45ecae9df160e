"""Predictions over HTTP, their reasons, and the log of all that were made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, WebSocket

from core.datascience.models.bundle import Context
from core.datascience.predictions import answer, repository, stream
from core.datascience.predictions.schemas import ExplainIn, ExplanationOut, LogOut, PredictIn, PredictionsOut
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/insights", tags=["predictions"], route_class=TenantRoute)
PREDICT = allow("can_predict")
Word = Annotated[str | None, Query(max_length=64, pattern=r"^[\w.\-]+$")]


@router.post("/predict", dependencies=[PREDICT], summary="Odds of deals, or of rows of features")
async def predict(body: PredictIn, tx: CurrentTx, request: Request) -> PredictionsOut:
    services = request.app.state.services
    found = await answer.predictions(tx, body, services.predictor, services.inputs, source="http")
    return PredictionsOut(predictions=found)


@router.post("/explain", dependencies=[PREDICT], summary="One prediction with all its reasons, and what could be done")
async def explain(body: ExplainIn, tx: CurrentTx, request: Request) -> ExplanationOut:
    services = request.app.state.services
    return await answer.explanation(tx, body, services.predictor, services.inputs)


@router.get("/logs", dependencies=[allow("can_view_logs")], summary="Every prediction that was made, newest first")
async def list_logs(
    tx: CurrentTx,
    page: Paging,
    context: Context | None = None,
    deal_id: UUID | None = None,
    source: Literal["http", "stream", "event", "flow", "batch"] | None = None,
    role: Literal["champion", "challenger", "shadow"] | None = None,
    basis: Literal["tenant", "segment", "global", "base_rate", "rule"] | None = None,
    model: Word = None,
    version: Word = None,
    outside: Annotated[bool | None, Query(description="Was something beyond the model's range?")] = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[LogOut]:
    """An answer appears here within a second of being given."""
    wanted = repository.Wanted(
        context=context, deal_id=deal_id, source=source, role=role, basis=basis, model=model, version=version,
        outside=outside, since=since, until=until,
    )  # fmt: skip
    rows = await repository.rows(tx, page, wanted)
    return Page(items=[LogOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.websocket("/stream", dependencies=[PREDICT])
async def predict_stream(socket: WebSocket) -> None:
    await stream.serve(socket)
