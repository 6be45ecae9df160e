from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query

from core.identity.gate import sees
from core.kit.errors import FieldProblem, Invalid
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.pipeline_health import repository, words
from core.pipeline_health.keep import recomputed
from core.pipeline_health.look import LEARNT_MONTHS, months_back, plus_months, quarter, targets_of
from core.pipeline_health.marks import VERSION
from core.pipeline_health.measure import AGES, STALLED_AFTER_DAYS, Asked, Health, Part, Window, measure
from core.pipeline_health.model import SalesTarget
from core.pipeline_health.repository import Dimension, Groups, Only
from core.pipeline_health.schemas import (
    AgeOut,
    CoverageOut,
    EndsOut,
    GroupOut,
    HealthOut,
    HistoryOut,
    Key,
    Month,
    PartOut,
    PointOut,
    StageOut,
    TargetIn,
    TargetOut,
    TargetsOut,
)
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/pipeline-health", tags=["pipeline health"], route_class=TenantRoute)
SEE, AIM = allow("can_view_forecasts"), allow("can_manage_forecasts")
MOST_MONTHS = 24
MOST_DAYS = 400
MOST_TARGETS = 1_000

By = Annotated[Dimension, Query(description="What the groups are")]
Text = Annotated[Key | None, Query(description="Only these deals; empty: those that have none")]
Stalled = Annotated[int, Query(ge=1, le=365, description="Days without a sign of life after which a deal has stalled")]


async def _language(
    tx: CurrentTx, language: Annotated[Literal["pt", "en"] | None, Query(description="Of the names")] = None
) -> str:
    return language or (await tenants.tenant(tx)).locale[:2]


async def _only(
    seller_id: UUID | None = None, team: Text = None, segment: Text = None, region: Text = None, stage: Text = None
) -> Only:
    return Only(seller_id, team, segment, region, stage)


Language = Annotated[str, Depends(_language)]
Wanted = Annotated[Only, Depends(_only)]


def _window(first: str | None, last: str | None, usual: Window, name: str) -> Window:
    begin = _month(first) if first else min(usual.begin, _month(last)) if last else usual.begin
    end = plus_months(_month(last), 1) if last else max(usual.end, plus_months(begin, 1))
    if not begin < end <= plus_months(begin, MOST_MONTHS):
        told = f"is before the first month, or more than {MOST_MONTHS} months are asked for"
        raise Invalid("These are no months in a row.", problems=[FieldProblem(f"query.{name}", told)])
    return Window(begin, end)


def _month(text: str) -> date:
    return date(int(text[:4]), int(text[5:]), 1)


def _named(day: date) -> str:
    return f"{day:%Y-%m}"


@router.get("", dependencies=[SEE], summary="What stalls, how fast deals move, which stage holds them up")
async def read_health(
    tx: CurrentTx, identity: CurrentIdentity, language: Language, only: Wanted, by: By = "all",
    since: Annotated[Month | None, Query(description="First month of what ended; by default of twelve")] = None,
    until: Annotated[Month | None, Query(description="Last month of what ended; by default this one")] = None,
    target_first: Annotated[Month | None, Query(description="Of coverage; this quarter where left out")] = None,
    target_last: Month | None = None, stalled_after_days: Stalled = STALLED_AFTER_DAYS,
) -> HealthOut:  # fmt: skip
    """Of the deals that you may see, as they are now."""
    own = await tenants.tenant(tx)
    now = tx.clock.now()
    today = now.astimezone(ZoneInfo(own.time_zone)).date()
    learnt = _window(since, until, months_back(today, LEARNT_MONTHS), "until")
    target = _window(target_first, target_last, quarter(today), "target_last")
    found, kept = await _groups(tx, by, only, min(learnt.begin, target.begin), own.time_zone)
    aims = await targets_of(tx, by, target) if only == Only() else {}
    if by == "all" and only == Only():
        dimension, key = await _whole(tx, identity)
        aims = {("", c): cents for (k, c), cents in (await targets_of(tx, dimension, target)).items() if k == key}
    names = await repository.sellers(tx) if by == "seller" else {}
    groups = []
    for (key, currency), cells in found.items():
        health = measure(cells, Asked(today, learnt, target, aims.get((key, currency)), stalled_after_days))
        groups.append(_group(health, key, currency, words.name(by, key, names, language), language))
    groups.sort(key=lambda group: (group.currency != own.currency, group.currency, -group.open_cents, group.name))
    return HealthOut(
        at=now, today=today, by=by, stalled_after_days=stalled_after_days, since=_named(learnt.begin),
        until=_named(learnt.end - timedelta(days=1)), target_first=_named(target.begin),
        target_last=_named(target.end - timedelta(days=1)), kept=kept, groups=groups,
    )  # fmt: skip


async def _groups(tx: CurrentTx, by: Dimension, only: Only, since: date, time_zone: str) -> tuple[Groups, bool]:
    """Until the tenant's resident has added up its deals for the first time, they are added up here."""
    known = await repository.known(tx)
    if (known["version"], known["counted_in"]) == (VERSION, time_zone):
        return await repository.groups(tx, by, only, since), True
    return repository.grouped(await recomputed(tx, time_zone), by, only, since), False


async def _whole(tx: CurrentTx, identity: CurrentIdentity) -> tuple[Dimension, str]:
    """What is all that this person may see: of whom targets and history are his."""
    seen = sees(identity.scopes)
    if seen == "tenant":
        return "all", ""
    if seen == "team":
        return "team", (await tenants.user(tx, identity.user_id)).team or ""
    return "seller", str(identity.user_id)


def _group(found: Health, key: str, currency: str, name: str, language: str) -> GroupOut:
    plain = (
        "open_deals", "open_cents", "pushed_days", "age_days", "won_deals", "lost_deals", "win_rate", "cycle_days",
        "velocity_cents", "bottleneck",
    )  # fmt: skip
    stages = [
        StageOut(
            stage=one.stage, name=words.name("stage", one.stage, {}, language), open=_part(one.open),
            stalled=_part(one.stalled), waited_days=one.waited_days, usual_days=one.usual_days, overtime=one.overtime,
            conversion=EndsOut.model_validate(one.ends) if one.ends else None,
        )
        for one in found.stages
    ]  # fmt: skip
    limits = [*zip((0, *(end + 1 for end in AGES)), (*AGES, None), found.ages, strict=True)]
    ages = [AgeOut(from_days=a, to_days=b, **_part(part).model_dump()) for a, b, part in limits]
    return GroupOut(
        key=key or None, name=name, currency=currency, stalled=_part(found.stalled), overdue=_part(found.overdue),
        pushed=_part(found.pushed), ages=ages, stages=stages,
        coverage=CoverageOut.model_validate(found.coverage), **{field: getattr(found, field) for field in plain},
    )  # fmt: skip


def _part(part: Part) -> PartOut:
    return PartOut.model_validate(part)


@router.get("/history", dependencies=[SEE], summary="How one group stood day by day, to be plotted")
async def read_history(
    tx: CurrentTx, identity: CurrentIdentity, by: By = "all", key: Annotated[Key, Query()] = "",
    since: Annotated[date | None, Query(description="Ninety days before the end where left out")] = None,
    until: date | None = None,
) -> HistoryOut:  # fmt: skip
    """With `by=all` of all that you may see: a seller's own, a leader's team."""
    today = tx.clock.now().astimezone(ZoneInfo((await tenants.tenant(tx)).time_zone)).date()
    end = min(until or today, today)
    begin = since or end - timedelta(days=min(90, (end - date.min).days))
    if (end - begin).days > MOST_DAYS:
        problem = FieldProblem("query.since", f"lies more than {MOST_DAYS} days before the end")
        raise Invalid("Ask for fewer days at once.", problems=[problem])
    dimension, wanted = await _whole(tx, identity) if by == "all" else (by, key)
    rows = await repository.points(tx, dimension, begin, end, key=wanted)
    return HistoryOut(by=by, key=wanted or None, points=[PointOut.model_validate(row) for row in rows])


@router.get("/targets", dependencies=[SEE], summary="What is to be won, by group and month")
async def list_targets(tx: CurrentTx, first: Month | None = None, last: Month | None = None) -> TargetsOut:
    """Of the groups that you may see; this quarter where nothing else is asked for."""
    today = tx.clock.now().astimezone(ZoneInfo((await tenants.tenant(tx)).time_zone)).date()
    window = _window(first, last, quarter(today), "last")
    rows = await repository.targets(tx, window.begin, window.end, limit=MOST_TARGETS)
    return TargetsOut(targets=[_target(row) for row in rows])


@router.put("/targets", dependencies=[AIM], summary="Set what a group is to win in a month")
async def set_target(tx: CurrentTx, identity: CurrentIdentity, wanted: TargetIn) -> TargetOut:
    """Setting it again replaces it."""
    if (wanted.by == "all") != (wanted.key == ""):
        problem = FieldProblem("body.key", "is empty for all deals, and for them alone")
        raise Invalid("This names no group.", problems=[problem])
    row = {
        "dimension": wanted.by, "key": wanted.key, "currency": wanted.currency, "month": _month(wanted.month),
        "value_cents": wanted.value_cents, "set_by": identity.user_id, "set_at": tx.clock.now(),
    }  # fmt: skip
    target = await repository.set_target(tx, row)
    after = {"month": wanted.month, "currency": wanted.currency, "value_cents": wanted.value_cents}
    tx.audit("target.set", f"target:{target.id}", after=after)
    return _target(target)


def _target(row: SalesTarget) -> TargetOut:
    return TargetOut(
        by=row.dimension, key=row.key, currency=row.currency, month=_named(row.month), value_cents=row.value_cents,
        set_by=row.set_by, set_at=row.set_at,
    )  # fmt: skip
