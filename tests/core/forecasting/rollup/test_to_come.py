"""Deals that are not opened yet: counted by hand, and held against a tenant that always opens the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.periods import Period, add_months, moment
from core.forecasting.rollup.pipeline import Position
from core.forecasting.rollup.roll_up import roll_up
from core.forecasting.rollup.to_come import MOST, ToCome, asked_since, fewer, to_come
from tests.core.forecasting.rollup.pipelines import AT, PERIOD, pipeline, position

SINCE = date(2020, 1, 1)


def after(won: Sequence[Position]) -> Outlook:
    return Outlook(Correlation.of(0.02), known_since=SINCE, won=won)


def won(number: int, opened: datetime, days: int, **fields: object) -> Position:
    return position(number, outcome="won", opened_at=opened, closed_at=opened + timedelta(days=days), **fields)


def by_hand(deal: Position, period: Period) -> list[int]:
    """Month by month: from how many of twelve looks it was yet to come."""
    assert deal.closed_at is not None
    opened, closed = (at.astimezone(period.zone).date() for at in (deal.opened_at, deal.closed_at))
    found = []
    for month in range(period.months):
        count = 0
        for back in range(month + 1, month + 13):
            look = add_months(AT.date().replace(day=1), -back).replace(day=AT.day)
            count += add_months(look.replace(day=1), month) == closed.replace(day=1) and opened > look
        found.append(count)
    return found


@settings(max_examples=60, deadline=None)
@given(opened_days_ago=st.integers(1, 500), days=st.integers(0, 200))
def test_each_won_deal_comes_again_as_often_as_it_was_yet_to_come(opened_days_ago: int, days: int) -> None:
    deal = won(1, AT - timedelta(days=opened_days_ago), days)
    since, until = asked_since(AT, PERIOD)
    assert deal.closed_at is not None
    chances = to_come([deal] if since <= deal.closed_at < until else [], AT, PERIOD, SINCE)
    assert [int((chances.month == month).sum()) for month in range(PERIOD.months)] == by_hand(deal, PERIOD)
    assert (chances.probability == pytest.approx(1 / 12)) or not len(chances.key)


def steady(years: int) -> list[Position]:
    """A deal of 1,000.00 a day, won after 45 days."""
    start = moment(date(2026, 11, 1), PERIOD.zone)
    return [won(day, start - timedelta(days=day + 46), 45) for day in range(365 * years)]


def test_a_tenant_that_always_opens_the_same_gets_the_same_again() -> None:
    since, until = asked_since(AT, PERIOD)
    deals = [deal for deal in steady(2) if deal.closed_at and since <= deal.closed_at < until]
    [group] = roll_up([], AT, PERIOD, "all", after(deals))
    new = [figures.expected_new_cents / 1_000_00 for figures in group.months]
    # What is opened from today on is won from 45 days on: nothing in November, all from February on.
    assert new[0] == 0
    assert new[1] < 2
    assert new[2] == pytest.approx(23, abs=3)
    assert new[3:] == pytest.approx([365 / 12] * 3, abs=0.1)
    assert group.total.low_cents < group.total.expected_cents < group.total.high_cents


def test_a_young_tenant_is_told_nothing_of_what_is_to_come() -> None:
    deals = [deal for deal in steady(1) if deal.closed_at and deal.closed_at < asked_since(AT, PERIOD)[1]]
    assert not len(to_come(deals, AT, PERIOD, None).key)
    assert not len(to_come(deals, AT, PERIOD, AT.date() - timedelta(days=60)).key)
    half = to_come(deals, AT, PERIOD, AT.date() - timedelta(days=200))
    assert half.probability.max() == pytest.approx(1 / 3)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_groups_still_add_up(seed: int) -> None:
    deals = pipeline(seed, 20)
    before = [
        replace(one, outcome="won", opened_at=AT - timedelta(days=200 - n), closed_at=AT - timedelta(days=120 - n))
        for n, one in enumerate(pipeline(seed + 1, 40))
    ]
    [whole] = roll_up(deals, AT, PERIOD, "all", after(before))
    parts = roll_up(deals, AT, PERIOD, "segment", after(before))
    for name in ("won_cents", "expected_open_cents", "expected_new_cents", "expected_cents"):
        assert sum(getattr(part.total, name) for part in parts) == getattr(whole.total, name)
    assert whole.total.expected_new_cents > 0


def chances(count: int) -> ToCome:
    rng = np.random.default_rng(1)
    keys: Sequence[int] = rng.integers(0, 2**62, count).tolist()
    return ToCome(
        np.arange(count), np.zeros(count, np.int64), np.array(keys, np.uint64) | np.uint64(1 << 63),
        np.full(count, 1 / 12),
    )  # fmt: skip


def test_of_very_many_a_part_stands_for_all() -> None:
    many = chances(5 * MOST)
    kept = fewer(many)
    assert len(kept.key) == pytest.approx(MOST, rel=0.05)
    assert kept.probability.sum() == pytest.approx(many.probability.sum(), rel=0.05)
    assert fewer(chances(100)).probability.tolist() == [1 / 12] * 100


def test_a_period_that_begins_later_is_the_same_seen_from_further_on() -> None:
    deals = [deal for deal in steady(2) if deal.closed_at and deal.closed_at >= datetime(2025, 11, 1, 12, tzinfo=UTC)]
    [whole] = roll_up([], AT, PERIOD, "all", after(deals))
    later = Period(date(2027, 1, 1), 2, PERIOD.zone)
    [part] = roll_up([], AT, later, "all", after(deals))
    assert part.months == whole.months[2:4]
