from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response

from core.forecasting.rollup import override as overriding
from core.forecasting.rollup import repository, words
from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.model import Figure, Override
from core.forecasting.rollup.periods import MOST_MONTHS, Period, month_of, named, parsed
from core.forecasting.rollup.pipeline import Dimension
from core.forecasting.rollup.roll_up import Group, roll_up
from core.forecasting.rollup.schemas import (
    CorrelationOut,
    FiguresOut,
    GroupOut,
    Month,
    MonthOut,
    OverrideBrief,
    OverrideHistory,
    OverrideIn,
    OverrideOut,
    RollupOut,
    SnapshotAsked,
    SnapshotFigure,
    SnapshotFigures,
    SnapshotOut,
    WithdrawIn,
)
from core.forecasting.rollup.simulate import DRAWS
from core.forecasting.rollup.snapshot import MONTHS, known_correlation
from core.forecasting.said import Language
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/forecasts", tags=["forecasting"], route_class=TenantRoute)
SEE, OVERRIDE = allow("can_view_forecasts"), allow("can_override_forecast")
By = Annotated[Dimension, Query(description="What the groups are")]
First = Annotated[Month | None, Query(description="First month, as 2026-11; this one where left out")]
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
    correlation = await known_correlation(tx)
    groups = await asyncio.to_thread(roll_up, positions, now, period, by, correlation)
    own = await tenants.tenant(tx)
    names = await repository.sellers(tx) if by == "seller" else {}
    given = await _in_force(tx, by, period)
    groups.sort(key=lambda group: (group.currency != own.currency, group.currency, -group.total.expected_cents))
    return RollupOut(
        at=now, by=by, first_month=named(period.first), months=period.months, time_zone=own.time_zone,
        correlation=_correlation(correlation, language), draws=DRAWS,
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
        correlation=_correlation(Correlation.from_json(row.correlation), language),
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
