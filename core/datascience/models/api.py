"""Versions of models as people see them: list, look, compare, promote, roll back."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from core.datascience.models import compare as comparing
from core.datascience.models import repository, verdicts, versions
from core.datascience.models.gate import Verdict
from core.datascience.models.model import ModelVersion
from core.datascience.models.schemas import (
    ChallengeIn,
    ChangeOut,
    CompareIn,
    CompareOut,
    ComparisonOut,
    ImportanceOut,
    InputOut,
    ModelDetail,
    ModelOut,
    PromoteIn,
    RollbackOut,
    Words,
)
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow
from core.ports import ObjectStore
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/insights", tags=["models"], route_class=TenantRoute)
SEE = allow("can_view_models")
CHANGE = allow("can_promote_models")


async def _language(
    tx: CurrentTx, language: Annotated[Literal["pt", "en"] | None, Query(description="Of the verdict")] = None
) -> str:
    return language or (await tenants.tenant(tx)).locale[:2]


async def _objects(request: Request) -> ObjectStore:
    store: ObjectStore = request.app.state.services.objects
    return store


Language = Annotated[str, Depends(_language)]
Objects = Annotated[ObjectStore, Depends(_objects)]


@router.get("/models", dependencies=[SEE], summary="Versions of the tenant's own models and of those for all")
async def list_models(
    tx: CurrentTx,
    page: Paging,
    context: Literal["forecast", "followup", "simulation", "risk"] | None = None,
    scope: Annotated[Words | None, Query(description="A tenant's id, segment-<name> or global")] = None,
    status: Literal["candidate", "refused", "champion", "challenger", "retired"] | None = None,
) -> Page[ModelOut]:
    rows = await repository.versions(tx, page, context=context, scope=scope, status=status)
    return Page(items=[shown(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/models/{model_id}", dependencies=[SEE], summary="All that is known of a version")
async def read_model(model_id: UUID, tx: CurrentTx, language: Language) -> ModelDetail:
    row = await repository.version(tx, model_id)
    verdict = Verdict.from_json(row.verdict) if row.verdict else None
    return ModelDetail(
        **shown(row).model_dump(), run_id=row.run_id, code=row.code, learnt_until=row.learnt_until,
        baseline=row.baseline, parameters=row.parameters, leaks=row.leaks, replaced=row.replaced,
        inputs=[_input(row, given) for given in row.inputs],
        verdict=verdicts.tell(verdict, language) if verdict else [],
        comparisons=[ComparisonOut.model_validate(c) for c in verdict.comparisons] if verdict else [],
        changes=[ChangeOut.model_validate(change) for change in await repository.changes(tx, row.id)],
    )  # fmt: skip


@router.get("/models/{model_id}/importance", dependencies=[SEE], summary="What moves the odds of this version most")
async def read_importance(model_id: UUID, tx: CurrentTx) -> list[ImportanceOut]:
    """Over the rows that it held out; empty for a version that was registered without."""
    found = (await repository.version(tx, model_id)).importance
    total = sum(found.values()) or 1.0
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    return [ImportanceOut(feature=name, impact=impact, share=impact / total) for name, impact in ordered]


@router.post(
    "/compare-models",
    dependencies=[allow("can_compare_models")],
    summary="Which of two versions is better, and how sure",
)
async def compare_models(body: CompareIn, tx: CurrentTx, objects: Objects, language: Language) -> CompareOut:
    """On the rows that both held out: DeLong's test for AUC, a paired bootstrap over deals for Brier and log loss."""
    a, b = await repository.version(tx, body.a), await repository.version(tx, body.b)
    found = await comparing.compare(objects, a, b, alpha=body.alpha)
    return CompareOut(
        a=shown(a), b=shown(b), rows=found.rows, deals=found.deals, quality_a=found.quality_a,
        quality_b=found.quality_b, comparisons=[ComparisonOut.model_validate(c) for c in found.comparisons],
        better=found.better, verdict=comparing.tell(found, _called(a), _called(b), language),
    )  # fmt: skip


@router.post(
    "/models/{model_id}/promote", dependencies=[CHANGE], summary="Make it the champion; serving follows at once"
)
async def promote_model(body: PromoteIn, model_id: UUID, tx: CurrentTx, objects: Objects) -> ModelOut:
    return shown(await versions.promote(tx, objects, model_id, force=body.force))


@router.post("/models/{model_id}/rollback", dependencies=[CHANGE], summary="Take a champion back to the one before it")
async def roll_back_model(model_id: UUID, tx: CurrentTx, objects: Objects) -> RollbackOut:
    """A version that is not the champion has been taken back already: nothing changes."""
    champion = await versions.roll_back(tx, objects, model_id)
    return RollbackOut(champion=shown(champion) if champion else None)


@router.post("/models/{model_id}/challenge", dependencies=[CHANGE], summary="Let it answer beside the champion")
async def challenge_model(body: ChallengeIn, model_id: UUID, tx: CurrentTx, objects: Objects) -> ModelOut:
    return shown(await versions.challenge(tx, objects, model_id, share=body.share))


@router.delete("/models/{model_id}/challenge", status_code=204, dependencies=[CHANGE], summary="End the challenge")
async def end_challenge(model_id: UUID, tx: CurrentTx, objects: Objects) -> None:
    await versions.stand_down(tx, objects, model_id)


def shown(row: ModelVersion) -> ModelOut:
    names = [name for name in ModelOut.model_fields if name != "passed"]
    return ModelOut(
        **{name: getattr(row, name) for name in names}, passed=row.verdict["passed"] if row.verdict else None
    )


def _input(row: ModelVersion, given: dict[str, object]) -> InputOut:
    hidden = {"low": None, "high": None} if row.tenant_id is None else {}
    return InputOut.model_validate({**given, **hidden})


def _called(row: ModelVersion) -> str:
    return f"{row.name} {row.version}"
