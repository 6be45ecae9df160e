"""Drift over HTTP: what was found, what is proposed, who wins a challenge, and scores over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from core.datascience.drift import check as checking
from core.datascience.drift import live, repository, words
from core.datascience.drift.model import DriftProposal, DriftReport
from core.datascience.drift.schemas import (
    DriftOut,
    DriftReportOut,
    DriftSettingsIn,
    DriftSettingsOut,
    FindingOut,
    LiveOut,
    ProposalOut,
    ScoreOut,
    StandingOut,
    WeekOut,
    given,
)
from core.datascience.models import repository as models
from core.datascience.models.api import CHANGE, SEE, Language, Objects, shown
from core.datascience.models.model import ModelVersion
from core.datascience.models.schemas import ComparisonOut
from core.deals import repository as deals
from core.kit.pages import Page, PageRequest, Paging, next_cursor
from core.kit.web import CurrentTx, SlowTenantRoute, TenantRoute, allow

router = APIRouter(prefix="/v1/insights", tags=["drift"], route_class=TenantRoute)
slow = APIRouter(prefix="/v1/insights", tags=["drift"], route_class=SlowTenantRoute)
_MOST_SHOWN = 50


@router.get("/drift", dependencies=[SEE], summary="The newest findings for each version, and what is proposed")
async def read_drift(tx: CurrentTx, language: Language) -> DriftOut:
    reports = await repository.newest_reports(tx)
    waiting = await repository.proposals(tx, PageRequest(limit=_MOST_SHOWN, before=None), "open")
    return DriftOut(
        reports=await _reports(tx, reports, language), proposals=[_proposal(row, language) for row in waiting]
    )


@router.get("/models/{model_id}/drift", dependencies=[SEE], summary="All reports about a version, newest first")
async def list_reports(model_id: UUID, tx: CurrentTx, page: Paging, language: Language) -> Page[DriftReportOut]:
    await models.version(tx, model_id)
    rows = await repository.reports(tx, page, model_id)
    return Page(items=await _reports(tx, rows, language), next_cursor=next_cursor(rows, page))


@slow.post("/drift/check", dependencies=[CHANGE], summary="Look now; otherwise it happens every night")
async def check_now(tx: CurrentTx, objects: Objects, language: Language) -> list[DriftReportOut]:
    return await _reports(tx, await checking.check(tx, objects), language)


@router.get("/drift/settings", dependencies=[SEE], summary="Over which limits something is drift")
async def read_settings(tx: CurrentTx) -> DriftSettingsOut:
    return DriftSettingsOut.model_validate(await repository.settings(tx) or checking.defaults(tx.tenant_id))


@router.patch("/drift/settings", dependencies=[CHANGE], summary="Change limits, or let training start by itself")
async def change_settings(body: DriftSettingsIn, tx: CurrentTx) -> DriftSettingsOut:
    row = await repository.settings(tx)
    if row is None:
        row = checking.defaults(tx.tenant_id)
        await repository.add(tx, [row])
    wanted = given(body)
    before = {name: getattr(row, name) for name in wanted}
    for name, value in wanted.items():
        setattr(row, name, value)
    if wanted:
        tx.audit("drift.settings_changed", f"tenant:{tx.tenant_id}", before=before, after=wanted)
    return DriftSettingsOut.model_validate(row)


@router.get("/drift/proposals", dependencies=[SEE], summary="What was proposed because of drift, newest first")
async def list_proposals(
    tx: CurrentTx, page: Paging, language: Language,
    status: Literal["open", "accepted", "dismissed", "automatic", "done", "failed"] | None = None,
) -> Page[ProposalOut]:  # fmt: skip
    rows = await repository.proposals(tx, page, status)
    return Page(items=[_proposal(row, language) for row in rows], next_cursor=next_cursor(rows, page))


@router.post("/drift/proposals/{proposal_id}/accept", dependencies=[CHANGE], summary="Do it: a training begins")
async def accept_proposal(proposal_id: UUID, tx: CurrentTx, language: Language) -> ProposalOut:
    return _proposal(await checking.decide(tx, proposal_id, True), language)


@router.post("/drift/proposals/{proposal_id}/dismiss", dependencies=[CHANGE], summary="Leave it as it is")
async def dismiss_proposal(proposal_id: UUID, tx: CurrentTx, language: Language) -> ProposalOut:
    return _proposal(await checking.decide(tx, proposal_id, False), language)


@router.get("/models/{model_id}/challenge", dependencies=[CHANGE], summary="How a challenge stands")
async def read_challenge(
    model_id: UUID, tx: CurrentTx, language: Language,
    alpha: Annotated[float, Query(gt=0, lt=0.5, description="Of a false verdict, however often one looks")] = 0.05,
) -> LiveOut:  # fmt: skip
    """On deals that closed since it began. The verdict may be looked at after every one of them."""
    found = await live.standing(tx, model_id, alpha=alpha)
    return LiveOut(
        champion=shown(found.champion), challenger=shown(found.challenger), since=found.since,
        standing=StandingOut.model_validate(found.standing),
        comparisons=[ComparisonOut.model_validate(one) for one in found.comparisons],
        verdict=words.standing(found.standing, found.champion.version, found.challenger.version, language),
    )  # fmt: skip


@router.get("/models/{model_id}/scores", dependencies=[CHANGE], summary="What a version said, week by week")
async def read_scores(model_id: UUID, tx: CurrentTx, weeks: Annotated[int, Query(ge=1, le=156)] = 26) -> list[WeekOut]:
    row = await models.version(tx, model_id)
    found = await repository.scores_of_version(tx, row, tx.clock.now() - timedelta(weeks=weeks))
    return [WeekOut(**week) for week in found]


@router.get(
    "/deals/{deal_id}/scores",
    dependencies=[allow("can_view_forecasts")],
    summary="How the odds of a deal went",
)
async def read_deal_scores(
    deal_id: UUID, tx: CurrentTx, context: Literal["forecast", "followup", "simulation", "risk"] = "forecast",
    since: AwareDatetime | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[ScoreOut]:  # fmt: skip
    """Newest first, without what only the log saw."""
    await deals.deal(tx, deal_id)
    rows = await repository.scores_of_deal(tx, deal_id, context, since, limit)
    return [ScoreOut.model_validate(row) for row in rows]


async def _reports(tx: CurrentTx, rows: list[DriftReport], language: str) -> list[DriftReportOut]:
    about = await repository.versions_of(tx, [row.version_id for row in rows])
    return [_report(row, about[row.version_id], language) for row in rows]


def _report(row: DriftReport, version: ModelVersion, language: str) -> DriftReportOut:
    found = [FindingOut(**one, text=words.finding(one, language)) for one in row.findings]
    names = ("id", "version_id", "at", "since", "deals", "inputs", "score", "quality")
    return DriftReportOut(
        **{name: getattr(row, name) for name in names}, name=version.name, version=version.version, findings=found
    )


def _proposal(row: DriftProposal, language: str) -> ProposalOut:
    names = [name for name in ProposalOut.model_fields if name != "text"]
    return ProposalOut(**{name: getattr(row, name) for name in names}, text=words.proposed(row.action, language))
