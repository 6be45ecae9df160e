"""Trainings over HTTP: ask for one, watch it, take it back."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request

from core.datascience.models import repository as models
from core.datascience.models import verdicts
from core.datascience.models.api import SEE, Language
from core.datascience.models.gate import Verdict
from core.datascience.models.schemas import ComparisonOut
from core.datascience.training import ask as asking
from core.datascience.training import repository
from core.datascience.training.schemas import LineOut, Status, TrainIn, TrainingDetail, TrainingOut
from core.deals import repository as deals
from core.kit.errors import Conflict
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/insights", tags=["training"], route_class=TenantRoute)
TRAIN = allow("can_train")


@router.post("/train", status_code=202, dependencies=[TRAIN], summary="Train a model on the tenant's closed deals")
async def train(body: TrainIn, tx: CurrentTx, request: Request) -> TrainingOut:
    """It begins at once, beside the API; what comes of it has to pass the gate. One of each context and algorithm at a
    time."""
    least = request.app.state.services.settings.forecasting.min_closed_deals
    closed = await deals.outcomes(tx)
    if closed["won"] + closed["lost"] < least:
        raise Conflict(f"A model takes at least {least} closed deals; there are {closed['won'] + closed['lost']}.")
    return TrainingOut.model_validate(await asking.ask(tx, asking.Wanted(body.context, body.algorithm, tune=body.tune)))


@router.get("/trainings", dependencies=[SEE], summary="What was trained and what is being trained, newest first")
async def list_trainings(
    tx: CurrentTx, page: Paging, status: Status | None = None, context: Literal["forecast", "risk"] | None = None
) -> Page[TrainingOut]:
    rows = await repository.trainings(tx, page, status=status, context=context)
    return Page(items=[TrainingOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/trainings/{training_id}", dependencies=[SEE], summary="How far it is, what happened, what came of it")
async def read_training(training_id: UUID, tx: CurrentTx, language: Language) -> TrainingDetail:
    row = await repository.training(tx, training_id)
    model = await models.version(tx, row.model_id) if row.model_id else None
    verdict = Verdict.from_json(model.verdict) if model and model.verdict else None
    return TrainingDetail(
        **TrainingOut.model_validate(row).model_dump(), passed=verdict.passed if verdict else None,
        metrics=model.metrics if model else {}, baseline=model.baseline if model else {},
        verdict=verdicts.tell(verdict, language) if verdict else [],
        comparisons=[ComparisonOut.model_validate(c) for c in verdict.comparisons] if verdict else [],
        lines=[LineOut.model_validate(line) for line in await repository.lines(tx, row.id)],
    )  # fmt: skip


@router.post("/trainings/{training_id}/cancel", dependencies=[TRAIN], summary="Stop it; nothing comes of it")
async def cancel_training(training_id: UUID, tx: CurrentTx) -> TrainingOut:
    return TrainingOut.model_validate(await asking.cancel(tx, training_id))
