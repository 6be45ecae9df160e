from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from core.automation.agent import repository, words
from core.automation.agent.learn import Arm, Learned
from core.automation.agent.model import AgentDecision
from core.forecasting.said import Language
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentTx, TenantRoute, allow

router = APIRouter(prefix="/v1/automation", tags=["automation"], route_class=TenantRoute)
SEE, MANAGE = allow("can_view_tasks"), allow("can_manage_rules")


class ReasonOut(BaseModel):
    """What spoke for acting, how much, and what was seen; `text`: in words."""

    key: str
    weight: float
    evidence: float | str
    text: str


class WhatIfOut(BaseModel):
    action: str
    probability: float
    text: str


class OddsOut(BaseModel):
    """What the prediction engine said: the probability of winning with its 90 % interval, and what could help."""

    probability: float
    low: float
    high: float
    context: str
    basis: str
    model: str
    version: str
    what_ifs: list[WhatIfOut]


class DecisionOut(BaseModel):
    """What the follow-up agent made of one event. `acted`: it wrote a task; `waited`: it did nothing, and `why` says
    why not; `withdrew`: it took back what was open. `cause`: the event's type, or what it had waited for
    (`no_follow_up`, `promise_due`, `deal_stalled`). The reasons weighed `weight` against `threshold`. `odds` is null
    where the engine was not asked; `basis_text` says on what they rest. What came of it: `said` (`approved`, `edited`,
    `dismissed`) by a person, and whether the customer `answered` what was sent."""

    id: UUID
    at: datetime
    deal_id: UUID
    call_id: UUID | None
    event_id: UUID
    cause: str
    verdict: str
    why: str | None
    text: str
    kind: str | None
    template: str | None
    task_id: UUID | None
    due_at: datetime | None
    weight: float
    threshold: float
    reasons: list[ReasonOut]
    odds: OddsOut | None
    basis_text: str | None
    helps: str | None
    hour: int | None
    said: str | None
    answered: bool | None


class ArmOut(BaseModel):
    """A choice that the agent may make: a `template` in place of the usual one (`context`), or an `hour` for a kind of
    task. `won` and `lost`: what spoke for it so far, and against it; `share`: how often it is thought to do well."""

    dimension: str
    context: str
    name: str
    won: float
    lost: float
    share: float


@router.get("/decisions", dependencies=[SEE], summary="What the agent decided and why, also where it did nothing")
async def list_decisions(
    tx: CurrentTx, page: Paging, language: Language, deal_id: UUID | None = None, task_id: UUID | None = None,
    verdict: Literal["acted", "waited", "withdrew"] | None = None,
) -> Page[DecisionOut]:  # fmt: skip
    rows = await repository.decisions(tx, page, deal_id=deal_id, task_id=task_id, verdict=verdict)
    return Page(items=[_shown(row, language) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/decisions/{decision_id}", dependencies=[SEE])
async def read_decision(decision_id: UUID, tx: CurrentTx, language: Language) -> DecisionOut:
    return _shown(await repository.decision(tx, decision_id), language)


@router.get("/learning", dependencies=[MANAGE], summary="Which texts and hours do well, as far as is known")
async def read_learning(tx: CurrentTx) -> list[ArmOut]:
    rows = await repository.arms(tx)
    arms = [(Arm(row.dimension, row.context, row.name), row.won, row.lost) for row in rows]  # type: ignore[arg-type]
    learned = Learned(arms)
    return [
        ArmOut(**dataclasses.asdict(arm), won=won, lost=lost, share=round(learned.share(arm), 4))
        for arm, won, lost in arms
    ]


def _shown(row: AgentDecision, language: str) -> DecisionOut:
    asked = row.odds is not None or any(row.signals)
    return DecisionOut(
        id=row.id, at=row.at, deal_id=row.deal_id, call_id=row.call_id, event_id=row.event_id, cause=row.cause,
        verdict=row.verdict, why=row.why, kind=row.kind, template=row.template, task_id=row.task_id, due_at=row.due_at,
        weight=row.weight, threshold=row.threshold, helps=row.helps,
        hour=row.hour, said=row.said, answered=row.answered,
        text=words.summary(row.verdict, row.why, row.kind, row.weight, row.threshold, language),
        reasons=[ReasonOut(**one, text=words.reason(one["key"], one["evidence"], language)) for one in row.signals],
        odds=_odds(row.odds, language) if row.odds is not None else None,
        basis_text=words.basis(row.odds, language) if asked else None,
    )  # fmt: skip


def _odds(odds: Mapping[str, Any], language: str) -> OddsOut:
    said = zip(odds["what_ifs"], words.advice(odds, language), strict=True)
    return OddsOut(**{**odds, "what_ifs": [WhatIfOut(**one, text=text) for one, text in said]})
