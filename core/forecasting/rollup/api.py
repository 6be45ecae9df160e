from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, Field

from core.forecasting import repository as forecasts
from core.forecasting.rollup import accuracy as measuring
from core.forecasting.rollup import explain as explaining
from core.forecasting.rollup import override as overriding
from core.forecasting.rollup import repository, words
from core.forecasting.rollup.changes import Effect, totals
from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.model import Figure, Override
from core.forecasting.rollup.periods import MOST_MONTHS, Period, month_of, named, parsed
from core.forecasting.rollup.pipeline import Dimension
from core.forecasting.rollup.roll_up import Group, roll_up
from core.forecasting.rollup.schemas import (
    AccuracyOut,
    AccuracyRow,
    ChangesOut,
    CorrelationOut,
    Currency,
    DealEffectOut,
    DealScoresOut,
    EffectOut,
    FiguresOut,
    GroupOut,
    Month,
    MonthOut,
    OverrideBrief,
    OverrideHistory,
    OverrideIn,
    OverrideOut,
    OverrideScoreOut,
    PointOut,
    RollupOut,
    ScoreOut,
    SnapshotAsked,
    SnapshotFigure,
    SnapshotFigures,
    SnapshotOut,
    WithdrawIn,
)
from core.forecasting.rollup.simulate import DRAWS
from core.forecasting.rollup.snapshot import MONTHS, outlook_at
from core.forecasting.said import Language
from core.identity.gate import sees
from core.kit.errors import FieldProblem, Invalid
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/forecasts", tags=["forecasting"], route_class=TenantRoute)
SEE, OVERRIDE = allow("can_view_forecasts"), allow("can_override_forecast")
By = Annotated[Dimension, Query(description="What the groups are")]
First = Annotated[Month | None, Query(description="First month, as 2026-11; this one where left out")]
DISTANCES = (90, 60, 30, 14, 7)
Days = Annotated[int, Field(ge=1, le=150)]
Months = Annotated[int, Query(ge=1, le=MOST_MONTHS, description="How many months")]


async def _period(tx: CurrentTx, first: First = None, months: Months = MONTHS) -> Period:
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)
    return Period(parsed(first) if first else month_of(tx.clock.now(), zone), months, zone)


WantedPeriod = Annotated[Period, Depends(_period)]


@router.get("/rollup", dependencies=[SEE], summary="What will be won, by group and month, with intervals")
async def read_rollup(tx: CurrentTx, period: WantedPeriod, language: Language, by: By = "all") -> RollupOut:
    """Of the deals that you may see. A 90 % interval counts that deals rise and fall together."""
    now = tx.clock.now()
    positions = await repository.pipeline(tx, now, period)
    outlook = await outlook_at(tx, now, period)
    groups = await asyncio.to_thread(roll_up, positions, now, period, by, outlook)
    own = await tenants.tenant(tx)
    names = await repository.sellers(tx) if by == "seller" else {}
    given = await _in_force(tx, by, period)
    groups.sort(key=lambda group: (group.currency != own.currency, group.currency, -group.total.expected_cents))
    return RollupOut(
        at=now, by=by, first_month=named(period.first), months=period.months, time_zone=own.time_zone,
        correlation=_correlation(outlook.correlation, language), draws=DRAWS,
        groups=[_group(group, period, words.name(by, group.key, names, language), given) for group in groups],
    )  # fmt: skip


async def _in_force(tx: CurrentTx, by: Dimension, period: Period) -> dict[tuple[str, str, str], Override]:
    rows = await repository.all_overrides(tx, by, period.first, period.starts[-1])
    newest = {(row.key, row.currency, named(row.month)): row for row in rows}
    return {place: row for place, row in newest.items() if row.value_cents is not None}


def _group(group: Group, period: Period, name: str, given: dict[tuple[str, str, str], Override]) -> GroupOut:
    months = []
    for start, figures in zip(period.starts, group.months, strict=False):
        row = given.get((group.key, group.currency, named(start)))
        brief = OverrideBrief.model_validate(row) if row else None
        months.append(MonthOut(month=named(start), figures=FiguresOut.model_validate(figures), override=brief))
    return GroupOut(
        key=group.key or None, name=name, currency=group.currency, open_count=group.open_count,
        open_cents=group.open_cents, unknown_count=group.unknown_count, unknown_cents=group.unknown_cents,
        months=months, total=FiguresOut.model_validate(group.total),
    )  # fmt: skip


def _correlation(known: Correlation, language: str) -> CorrelationOut:
    low, high = known.loadings[0] ** 2, known.loadings[-1] ** 2
    said = words.correlation(known, language)
    return CorrelationOut(mean=known.mean, low=low, high=high, months=known.months, text=said)


# ── snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/snapshots", status_code=202, dependencies=[allow("can_manage_forecasts")],
    summary="Put down what is told now; it is there in a moment",
)  # fmt: skip
async def ask_snapshot(tx: CurrentTx, response: Response) -> SnapshotAsked:
    snapshot_id = new_id()
    await tx.emit(Event(EventType.FORECAST_SNAPSHOT_ASKED, tx.tenant_id, snapshot_id, at=tx.clock.now()))
    response.headers["Location"] = f"/v1/forecasts/snapshots/{snapshot_id}"
    return SnapshotAsked(id=snapshot_id)


@router.get("/snapshots", dependencies=[SEE], summary="When was something put down, newest first")
async def list_snapshots(tx: CurrentTx, page: Paging) -> Page[SnapshotOut]:
    rows = await repository.snapshots(tx, page)
    return Page(items=[SnapshotOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/snapshots/{snapshot_id}", dependencies=[SEE], summary="What was told then, of what you may see")
async def read_snapshot(snapshot_id: UUID, tx: CurrentTx, language: Language, by: By = "all") -> SnapshotFigures:
    """`all`, segments and regions are for those who see the whole tenant, teams for their leaders."""
    row = await repository.snapshot(tx, snapshot_id)
    figures = await repository.figures(tx, [snapshot_id], by)
    names = await repository.sellers(tx) if by == "seller" else {}
    return SnapshotFigures(
        id=row.id, at=row.at, kind=row.kind, day=row.day, by=by,
        correlation=_correlation(Correlation.from_json(row.learnt), language),
        figures=[_figure(figure, words.name(by, figure.key, names, language)) for figure in figures],
    )  # fmt: skip


def _figure(row: Figure, name: str) -> SnapshotFigure:
    numbers = FiguresOut.model_validate(row).model_dump()
    month = named(row.month) if row.month else None
    return SnapshotFigure(key=row.key or None, name=name, currency=row.currency, month=month, **numbers)


# ── a person's own numbers ───────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/overrides", status_code=201, dependencies=[OVERRIDE], summary="Give your own number for a group and month"
)
async def give_override(body: OverrideIn, tx: CurrentTx, identity: CurrentIdentity) -> OverrideOut:
    """It stands beside the model's and changes nothing of it; both are scored when the month is over. A leader gives it
    for his team and its sellers, a manager for all."""
    currency = body.currency or (await tenants.tenant(tx)).currency
    key = "" if body.by == "all" else body.key or ""
    row = await overriding.give(
        tx, body.by, key, currency, parsed(body.month), body.value_cents, body.reason, identity.user_id
    )
    return _override(row)


@router.get("/overrides", dependencies=[SEE], summary="All versions of all numbers, newest first")
async def list_overrides(
    tx: CurrentTx, page: Paging, by: Annotated[Dimension | None, Query()] = None,
    month: Annotated[Month | None, Query()] = None,
) -> Page[OverrideOut]:  # fmt: skip
    rows = await repository.overrides(tx, page, by, parsed(month) if month else None)
    return Page(items=[_override(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/overrides/{override_id}", dependencies=[SEE], summary="The history of one number")
async def read_override(override_id: UUID, tx: CurrentTx) -> OverrideHistory:
    row = await repository.override(tx, override_id)
    versions = await repository.versions(tx, row.dimension, row.key, row.currency, row.month)
    return OverrideHistory(versions=[_override(version) for version in versions])


@router.post("/overrides/{override_id}/withdraw", dependencies=[OVERRIDE], summary="Take the number back")
async def withdraw_override(
    override_id: UUID, body: WithdrawIn, tx: CurrentTx, identity: CurrentIdentity
) -> OverrideOut:  # fmt: skip
    """Whichever version is named: the newest one is followed by one without a value."""
    row = await repository.override(tx, override_id)
    by: Dimension = row.dimension  # type: ignore[assignment]  # a column of these words
    return _override(
        await overriding.give(tx, by, row.key, row.currency, row.month, None, body.reason, identity.user_id)
    )


def _override(row: Override) -> OverrideOut:
    names = [name for name in OverrideOut.model_fields if name not in ("by", "key", "month")]
    values = {name: getattr(row, name) for name in names}
    return OverrideOut(by=row.dimension, key=row.key or None, month=named(row.month), **values)


# ── how good it was ──────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/accuracy", dependencies=[SEE], summary="How good the model's and people's numbers were, month by month")
async def read_accuracy(
    tx: CurrentTx, identity: CurrentIdentity, language: Language, by: By = "all",
    days_before_end: Annotated[list[Days] | None, Query(max_length=6, description="By when they were told")] = None,
) -> AccuracyOut:  # fmt: skip
    """Of the last 24 months that are over, and of the groups that you see whole: a seller himself, a leader his team
    and its sellers."""
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)
    names = await repository.sellers(tx) if by == "seller" else {}
    keys = await _seen_whole(tx, identity, by)
    distances = sorted(set(days_before_end or DISTANCES), reverse=True)
    found = await measuring.tracks(tx, by, keys, distances, zone)
    months = sorted({point.month for track in found for point in track.points})
    rows = [
        AccuracyRow(
            key=track.key or None, name=words.name(by, track.key, names, language), currency=track.currency,
            days_before_end=track.days_before_end, model=ScoreOut.model_validate(measuring.score(track.points)),
            override=_override_score(track), points=[_point(point) for point in track.points],
        )
        for track in found
    ]  # fmt: skip
    ends = (named(months[0]), named(months[-1])) if months else (None, None)
    return AccuracyOut(by=by, first_month=ends[0], last_month=ends[1], rows=rows)


async def _seen_whole(tx: CurrentTx, identity: CurrentIdentity, by: Dimension) -> set[str] | None:
    seen = sees(identity.scopes)
    if seen == "tenant":
        return None
    team = (await tenants.user(tx, identity.user_id)).team if seen == "team" else None
    if by == "seller":
        return {str(identity.user_id), *(await repository.sellers(tx, team) if team else ())}
    return {team} if by == "team" and team else set()


def _override_score(track: measuring.Track) -> OverrideScoreOut | None:
    found = measuring.score_override(track.points)
    return OverrideScoreOut.model_validate(found) if found else None


def _point(point: measuring.Point) -> PointOut:
    return PointOut(
        month=named(point.month), told_at=point.told_at, expected_cents=point.expected_cents, low_cents=point.low_cents,
        high_cents=point.high_cents, override_cents=point.override_cents, actual_cents=point.actual_cents,
    )  # fmt: skip


@router.get("/accuracy/deals", dependencies=[SEE], summary="How good the odds of single deals were, by model")
async def read_deal_scores(
    tx: CurrentTx, lead_days: Annotated[int, Query(ge=0, le=365, description="Told so long before the end")] = 0
) -> list[DealScoresOut]:
    return [
        DealScoresOut(**row._mapping, base_brier=row.won * (1 - row.won))
        for row in await forecasts.scores(tx, lead_days)
    ]


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/changes", dependencies=[SEE], summary="What changed between two moments, and why")
async def read_changes(
    tx: CurrentTx, page: Paging, period: WantedPeriod, language: Language,
    since: Annotated[AwareDatetime, Query(description="Such as the beginning of Monday")],
    until: Annotated[AwareDatetime | None, Query(description="Now where left out; repeat it for further pages")] = None,
    by: By = "all", key: Annotated[str | None, Query(max_length=100, description="As in the roll-up")] = None,
    currency: Annotated[Currency | None, Query(description="The tenant's own where left out")] = None,
) -> ChangesOut:  # fmt: skip
    """Of the expected value of one group in the period: `before` and all effects add up to `after`. Deals by the size
    of their effect."""
    now = tx.clock.now()
    end = until or now
    if not since <= end <= now:
        problem = FieldProblem("query.since", "must lie before `until`, and both in the past")
        raise Invalid("There is nothing to compare.", problems=[problem])
    wanted = currency or (await tenants.tenant(tx)).currency
    group = (by, key or "", wanted)
    found = await explaining.explain(tx, since, end, period, group)
    shown, cursor = explaining.page_of(found.effects, page)
    because = await explaining.reasons(tx, shown, language)
    return ChangesOut(
        since=since, until=end, currency=wanted, first_month=named(period.first), months=period.months,
        before_cents=found.before_cents, after_cents=found.after_cents,
        effects=[
            EffectOut(kind=kind, text=words.kind(kind, language), cents=cents, deals=deals)
            for kind, (cents, deals) in sorted(_totals(found).items(), key=lambda item: -abs(item[1][0]))
        ],
        deals=[_effect(effect, because[effect.position.deal_id]) for effect in shown],
        next_cursor=cursor,
    )  # fmt: skip


def _totals(found: explaining.Explained) -> dict[str, tuple[int, int]]:
    more = {"to_come": (found.to_come_cents, 0)} if found.to_come_cents else {}
    return {**totals(found.effects), **more}


def _effect(effect: Effect, because: list[str]) -> DealEffectOut:
    before, after = effect.before, effect.after
    return DealEffectOut(
        deal_id=effect.position.deal_id, name=effect.position.name, cents=effect.cents,
        before_cents=before.cents if before else 0, after_cents=after.cents if after else 0, parts=effect.parts,
        because=because,
    )  # fmt: skip
