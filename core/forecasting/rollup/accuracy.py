"""How good were the model's numbers and people's own, of months that are over, by how long before their end they were
told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core.forecasting.rollup import repository
from core.forecasting.rollup.model import Figure, Override
from core.forecasting.rollup.periods import add_months, moment, month_of
from core.forecasting.rollup.pipeline import Dimension
from core.kit.db import Tx

MOST_MONTHS = 24
_STALE = timedelta(days=14)
"""A number told longer than this before the moment that is asked about does not count for it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One group in one month: what was told, and what came."""

    month: date
    told_at: datetime
    expected_cents: int
    low_cents: int
    p10_cents: int
    p50_cents: int
    p90_cents: int
    high_cents: int
    override_cents: int | None
    actual_cents: int


@dataclass(frozen=True, slots=True)
class Track:
    """The points of one group at one distance, by month."""

    key: str
    currency: str
    days_before_end: int
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Score:
    """As `schemas.ScoreOut` tells."""

    months: int
    wape: float | None
    bias: float | None
    pinball_p10: float | None
    pinball_p50: float | None
    pinball_p90: float | None
    coverage_80: float | None
    coverage_90: float | None


@dataclass(frozen=True, slots=True)
class OverrideScore:
    months: int
    wape: float | None
    bias: float | None
    pinball_p50: float | None
    model_wape: float | None
    model_bias: float | None


def score(points: Sequence[Point]) -> Score:
    return Score(
        months=len(points), wape=_wape(points, _expected), bias=_bias(points, _expected),
        pinball_p10=_pinball(points, lambda p: p.p10_cents, 0.1),
        pinball_p50=_pinball(points, lambda p: p.p50_cents, 0.5),
        pinball_p90=_pinball(points, lambda p: p.p90_cents, 0.9),
        coverage_80=_share([p.p10_cents <= p.actual_cents <= p.p90_cents for p in points]),
        coverage_90=_share([p.low_cents <= p.actual_cents <= p.high_cents for p in points]),
    )  # fmt: skip


def score_override(points: Sequence[Point]) -> OverrideScore | None:
    """None where no number was given."""
    given = [point for point in points if point.override_cents is not None]
    if not given:
        return None
    return OverrideScore(
        len(given), _wape(given, _overridden), _bias(given, _overridden), _pinball(given, _overridden, 0.5),
        _wape(given, _expected), _bias(given, _expected),
    )  # fmt: skip


def _expected(point: Point) -> int:
    return point.expected_cents


def _overridden(point: Point) -> int:
    assert point.override_cents is not None
    return point.override_cents


def _wape(points: Sequence[Point], told: Callable[[Point], int]) -> float | None:
    came = sum(point.actual_cents for point in points)
    return sum(abs(told(point) - point.actual_cents) for point in points) / came if came else None


def _bias(points: Sequence[Point], told: Callable[[Point], int]) -> float | None:
    came = sum(point.actual_cents for point in points)
    return sum(told(point) - point.actual_cents for point in points) / came if came else None


def _pinball(points: Sequence[Point], told: Callable[[Point], int], level: float) -> float | None:
    """The loss whose least mean is the quantile (Koenker and Bassett, 1978), as a share of what was won."""
    came = sum(point.actual_cents for point in points)
    misses = [point.actual_cents - told(point) for point in points]
    return sum(max(level * miss, (level - 1) * miss) for miss in misses) / came if came else None


def _share(held: Sequence[bool]) -> float | None:
    return sum(held) / len(held) if held else None


# ── from what was told and what came ─────────────────────────────────────────────────────────────────────────────────


async def tracks(
    tx: Tx, by: Dimension, keys: Collection[str] | None, distances: Sequence[int], zone: ZoneInfo
) -> list[Track]:
    """`keys`: the groups that one sees whole; None: all. A group that a snapshot did not name was to bring nothing."""
    this_month = month_of(tx.clock.now(), zone)
    months = [add_months(this_month, -back) for back in range(MOST_MONTHS, 0, -1)]
    first = moment(months[0], zone)
    times = await repository.snapshot_times(tx, first - timedelta(days=max(distances)) - _STALE)
    told = {(m, d): _told_by(times, _cut(m, d, zone)) for m in months for d in distances}
    figures = await _figures(tx, by, {found[0] for found in told.values() if found}, months)
    overrides = await repository.all_overrides(tx, by, months[0], this_month)
    actual: dict[tuple[str, str, date], int] = {}
    for deal in await repository.won(tx, first, moment(this_month, zone)):
        assert deal.closed_at is not None
        place = (deal.key(by), deal.currency, month_of(deal.closed_at, zone))
        actual[place] = actual.get(place, 0) + deal.value_cents
    groups = {(key, currency) for _, key, currency, _ in figures} | {place[:2] for place in actual}
    return [
        Track(key, currency, distance, points)
        for key, currency in sorted(groups, key=lambda group: (group[1], group[0]))
        if keys is None or key in keys
        for distance in distances
        if (points := [
            point for month in months
            if (found := told[month, distance])
            and (point := _point(
                month, found[1], figures.get((found[0], key, currency, month)),
                _in_force(overrides, key, currency, month, _cut(month, distance, zone)),
                actual.get((key, currency, month), 0),
            ))
        ])
    ]  # fmt: skip


def _cut(month: date, days_before_end: int, zone: ZoneInfo) -> datetime:
    return moment(add_months(month, 1), zone) - timedelta(days=days_before_end)


def _told_by(times: Sequence[tuple[UUID, datetime]], cut: datetime) -> tuple[UUID, datetime] | None:
    before = [found for found in times if cut - _STALE < found[1] <= cut]
    return before[-1] if before else None


async def _figures(
    tx: Tx, by: Dimension, snapshot_ids: Collection[UUID], months: Collection[date]
) -> dict[tuple[UUID, str, str, date], Figure]:
    rows = await repository.figures(tx, snapshot_ids, by, months=months)
    return {(row.snapshot_id, row.key, row.currency, row.month): row for row in rows if row.month is not None}


def _in_force(overrides: Sequence[Override], key: str, currency: str, month: date, cut: datetime) -> int | None:
    given = [
        row.value_cents for row in overrides
        if (row.key, row.currency, row.month) == (key, currency, month) and row.at <= cut
    ]  # fmt: skip
    return given[-1] if given else None


def _point(
    month: date, told_at: datetime, told: Figure | None, override_cents: int | None, actual_cents: int
) -> Point | None:
    """None where nothing was told and nothing came."""
    if told is None:
        return Point(month, told_at, 0, 0, 0, 0, 0, 0, override_cents, actual_cents) if actual_cents else None
    return Point(
        month, told_at, told.expected_cents, told.low_cents, told.p10_cents, told.p50_cents, told.p90_cents,
        told.high_cents, override_cents, actual_cents,
    )  # fmt: skip
