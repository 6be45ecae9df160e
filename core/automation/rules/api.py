from __future__ import annotations

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from core.automation.rules import company, keep, repository
from core.automation.rules.course import Verdict
from core.automation.rules.definition import Definition
from core.automation.rules.dry_run import MOST_EXAMPLES, Told, dry_run
from core.automation.rules.fields import TRIGGERS, fields
from core.automation.rules.model import Rule, RuleVersion
from core.automation.rules.operators import OPERATORS
from core.automation.rules.schemas import (
    CalendarIn,
    CalendarOut,
    DryRunIn,
    DryRunOut,
    ExampleOut,
    FieldOut,
    FiringOut,
    Language,
    RuleIn,
    RuleOut,
    TemplateOut,
    TriggerOut,
    VersionOut,
    VocabularyOut,
)
from core.automation.rules.templates import templates
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/automation", tags=["rules"], route_class=TenantRoute)
MANAGE = allow("can_manage_rules")
_COUNTED = (Verdict.CAPPED, Verdict.QUIET, Verdict.DIFFERS, Verdict.WAITS, Verdict.CLOSED)


async def _language(
    tx: CurrentTx, language: Annotated[Language | None, Query(description="Of what is said")] = None
) -> Language:
    return language or ("pt" if (await tenants.tenant(tx)).locale.startswith("pt") else "en")


Said = Annotated[Language, Depends(_language)]


@router.get("/rules", dependencies=[MANAGE])
async def list_rules(tx: CurrentTx, page: Paging, is_enabled: bool | None = None) -> Page[RuleOut]:
    rows = await repository.rules(tx, page, is_enabled=is_enabled)
    return Page(items=[_shown(*row) for row in rows], next_cursor=next_cursor([row for row, _ in rows], page))


@router.post("/rules", status_code=201, dependencies=[MANAGE])
async def create_rule(body: RuleIn, tx: CurrentTx, identity: CurrentIdentity, language: Said) -> RuleOut:
    made = await keep.create(
        tx, body.says(), is_enabled=body.is_enabled, by=identity.user_id, language=language
    )  # fmt: skip
    return _shown(*made)


@router.get("/rules/vocabulary", dependencies=[MANAGE], summary="What a condition may be made of")
async def read_vocabulary(language: Said) -> VocabularyOut:
    return VocabularyOut(
        triggers=[TriggerOut(name=name, text=both[0 if language == "pt" else 1]) for name, both in TRIGGERS.items()],
        fields=[
            FieldOut(name=one.name, kind=one.kind, text=one.said(language), when=list(one.when))
            for one in fields().values()
        ],
        operators=list(OPERATORS),
    )


@router.get("/rules/templates", dependencies=[MANAGE], summary="Common rules, to be taken over and changed")
async def list_templates(language: Said) -> list[TemplateOut]:
    return [TemplateOut(key=key, rule=says) for key, says in templates(language).items()]


@router.post("/rules/dry-run", dependencies=[MANAGE], summary="What a rule would have done; nothing is done")
async def try_rule(body: DryRunIn, tx: CurrentTx, language: Said) -> DryRunOut:
    keep.checked(body.rule, language, "body.rule")
    return _told(await dry_run(tx, body.rule, body.days), body.rule)


@router.get("/rules/{rule_id}", dependencies=[MANAGE])
async def read_rule(rule_id: UUID, tx: CurrentTx) -> RuleOut:
    row = await repository.rule(tx, rule_id)
    return _shown(row, await repository.version(tx, row.id, row.version))


@router.put("/rules/{rule_id}", dependencies=[MANAGE], summary="Say it anew: a new version")
async def change_rule(
    rule_id: UUID, body: Definition, tx: CurrentTx, identity: CurrentIdentity, language: Said
) -> RuleOut:
    return _shown(*await keep.change(tx, rule_id, body, by=identity.user_id, language=language))


@router.post("/rules/{rule_id}/enable", dependencies=[MANAGE])
async def enable_rule(rule_id: UUID, tx: CurrentTx) -> RuleOut:
    return _shown(*await keep.switch(tx, rule_id, is_enabled=True))


@router.post("/rules/{rule_id}/disable", dependencies=[MANAGE], summary="Stop it, and forget what it waits for")
async def disable_rule(rule_id: UUID, tx: CurrentTx) -> RuleOut:
    return _shown(*await keep.switch(tx, rule_id, is_enabled=False))


@router.get("/rules/{rule_id}/versions", dependencies=[MANAGE], summary="All that it ever said, newest first")
async def list_versions(rule_id: UUID, tx: CurrentTx, page: Paging) -> Page[VersionOut]:
    await repository.rule(tx, rule_id)
    rows = await repository.versions(tx, rule_id, page)
    shown = [
        VersionOut(
            version=row.version, rule=_said(row), created_at=row.created_at, created_by=row.created_by
        )
        for row in rows
    ]  # fmt: skip
    return Page(items=shown, next_cursor=next_cursor(rows, page))


@router.get("/rules/{rule_id}/firings", dependencies=[MANAGE], summary="What it did, newest first")
async def list_firings(rule_id: UUID, tx: CurrentTx, page: Paging) -> Page[FiringOut]:
    await repository.rule(tx, rule_id)
    rows = await repository.firings(tx, rule_id, page)
    return Page(items=[FiringOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/calendar", dependencies=[MANAGE], summary="The company's working days")
async def read_calendar(tx: CurrentTx) -> CalendarOut:
    return CalendarOut.model_validate(await company.calendar(tx))


@router.put("/calendar", dependencies=[MANAGE])
async def change_calendar(body: CalendarIn, tx: CurrentTx) -> CalendarOut:
    row = await company.set_calendar(
        tx, country=body.country, subdivision=body.subdivision, weekend=body.weekend, closed=body.closed,
        open_=body.open,
    )  # fmt: skip
    return CalendarOut.model_validate(row)


def _said(row: RuleVersion) -> Definition:
    return Definition.model_validate(row.definition)


def _shown(row: Rule, said: RuleVersion) -> RuleOut:
    return RuleOut(
        id=row.id, version=row.version, is_enabled=row.is_enabled, rule=_said(said), created_at=row.created_at,
        changed_at=row.changed_at,
    )  # fmt: skip


def _told(told: Told, says: Definition) -> DryRunOut:
    fires = len(told.firings)
    examples = [
        ExampleOut(
            at=one.at, deal_id=one.moment.deal_id, deal=told.names[one.moment.deal_id], call_id=one.moment.call_id,
            seen=dict(one.seen),
        )
        for one in told.firings[-MOST_EXAMPLES:][::-1]
    ]  # fmt: skip
    return DryRunOut(
        since=told.since, cut=told.cut, events=told.events, fires=fires, answered=told.answered, waiting=told.waiting,
        deals=len(Counter(one.moment.deal_id for one in told.firings)), examples=examples,
        actions={action.kind: fires for action in says.actions},
        **{kind.value: told.verdicts[kind] for kind in _COUNTED},
    )  # fmt: skip
