"""Sums of pipelines: they add up, they know of correlation, and the same pipeline gives the same figures."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.pipeline import Dimension
from core.forecasting.rollup.roll_up import Group, open_deals, roll_up
from core.forecasting.rollup.timing import UNKNOWN, month_odds
from tests.core.forecasting.rollup.pipelines import AT, PERIOD, odds, pipeline, position

NONE, SOME, MUCH = (Outlook(Correlation.of(correlation)) for correlation in (0.0, 0.06, 0.3))
DIMENSIONS: tuple[Dimension, ...] = ("seller", "team", "segment", "region")


def total(groups: list[Group]) -> Group:
    [group] = groups
    return group


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), by=st.sampled_from(DIMENSIONS))
def test_disjoint_groups_add_up_to_all_to_the_cent(seed: int, count: int, by: Dimension) -> None:
    deals = pipeline(seed, count, currencies=("BRL", "USD"))
    deals += [replace(one, outcome="won", closed_at=AT - timedelta(days=3)) for one in pipeline(seed + 1, count // 3)]
    whole = roll_up(deals, AT, PERIOD, "all", SOME)
    parts = roll_up(deals, AT, PERIOD, by, SOME)
    for group in whole:
        ours = [part for part in parts if part.currency == group.currency]
        assert sum(part.total.expected_cents for part in ours) == group.total.expected_cents
        assert sum(part.total.won_cents for part in ours) == group.total.won_cents
        assert sum(part.open_cents for part in ours) == group.open_cents
        for month, figures in enumerate(group.months):
            assert sum(part.months[month].expected_cents for part in ours) == figures.expected_cents
        assert sum(figures.expected_cents for figures in group.months) == group.total.expected_cents


def test_an_empty_pipeline_is_no_group() -> None:
    assert roll_up([], AT, PERIOD, "all", SOME) == []


def test_a_single_deal_brings_all_or_nothing() -> None:
    deal = position(7, odds=odds(0.4, 5, 10, 20), value_cents=1_000_00)
    figures = total(roll_up([deal], AT, PERIOD, "all", SOME)).total
    assert figures.expected_cents == pytest.approx(400_00, rel=0.01)
    assert (figures.low_cents, figures.p50_cents, figures.high_cents) == (0, 0, 1_000_00)
    sure = replace(deal, odds=odds(1.0, 5, 10, 20))
    assert total(roll_up([sure], AT, PERIOD, "all", SOME)).total.low_cents == 1_000_00
    never = replace(deal, odds=odds(0.0, 5, 10, 20))
    assert total(roll_up([never], AT, PERIOD, "all", SOME)).total.high_cents == 0


def test_more_correlation_is_more_width_and_the_same_middle() -> None:
    deals = pipeline(3, 200)
    found = [total(roll_up(deals, AT, PERIOD, "all", how)).total for how in (NONE, SOME, MUCH)]
    widths = [figures.high_cents - figures.low_cents for figures in found]
    assert widths[0] * 1.2 < widths[1]
    assert widths[1] * 1.5 < widths[2]
    assert len({figures.expected_cents for figures in found}) == 1


def test_the_same_pipeline_gives_the_same_figures_in_any_order() -> None:
    deals = pipeline(4, 120)
    assert roll_up(deals, AT, PERIOD, "team", SOME) == roll_up(deals[::-1], AT, PERIOD, "team", SOME)


def test_a_seller_alone_gets_the_figures_that_his_manager_sees() -> None:
    deals = pipeline(5, 120)
    for group in roll_up(deals, AT, PERIOD, "seller", SOME):
        own = [deal for deal in deals if str(deal.owner_id) == group.key]
        assert roll_up(own, AT, PERIOD, "seller", SOME) == [group]


def test_currencies_are_never_added() -> None:
    deals = [position(1), position(2, currency="USD")]
    assert [(g.currency, g.open_cents) for g in roll_up(deals, AT, PERIOD, "all", SOME)] == [
        ("BRL", 1_000_00), ("USD", 1_000_00),
    ]  # fmt: skip


def test_what_is_won_counts_in_its_month_of_the_tenants_zone() -> None:
    last_evening = PERIOD.begin + timedelta(days=30) - timedelta(hours=1)  # November in São Paulo, December in UTC
    assert last_evening.month == 12
    deals = [
        position(1, outcome="won", closed_at=last_evening),
        position(2, outcome="won", closed_at=PERIOD.begin - timedelta(minutes=1)),
        position(3, outcome="lost", closed_at=AT),
    ]
    group = total(roll_up(deals, AT, PERIOD, "all", SOME))
    assert [figures.won_cents for figures in group.months] == [1_000_00, 0, 0, 0, 0, 0]
    assert astuple(group.total) == (1_000_00, 1, 0, 0, 1_000_00, 1.0, *[1_000_00] * 5, *[1] * 3)


def test_a_deal_without_a_forecast_is_named_and_in_no_figure() -> None:
    group = total(roll_up([position(1, odds=None), position(2)], AT, PERIOD, "all", SOME))
    assert (group.open_count, group.unknown_count, group.unknown_cents) == (2, 1, 1_000_00)
    assert group.total.expected_cents < 1_000_00


def test_a_deal_without_an_owner_has_a_group_of_its_own() -> None:
    deals = [position(1, owner_id=None), position(2, owner_id=UUID(int=9))]
    assert [g.key for g in roll_up(deals, AT, PERIOD, "seller", SOME)] == ["", str(UUID(int=9))]


# ── months ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=50, deadline=None)
@given(
    made=st.integers(0, 400), low=st.integers(0, 60), more=st.integers(0, 90), most=st.integers(0, 200),
    start=st.integers(-60, 60),
)  # fmt: skip
def test_odds_of_months_are_odds(made: int, low: int, more: int, most: int, start: int) -> None:
    """Also for deals long overdue, and for intervals of no width."""
    today = 739_000
    days = np.array([[0, low, low + more, low + more + most]]) + today - made
    edges = today + start + np.array([0, 30, 61, 5_000])
    found = month_odds(days, today, edges)[0]
    assert (found >= -1e-12).all()
    assert found.sum() <= 1 + 1e-12
    if start <= 0:
        assert found.sum() == pytest.approx(1, abs=1e-6)
    if edges[1] <= today:
        assert found[0] == 0


def test_nine_of_ten_close_inside_of_the_interval() -> None:
    days = np.array([[0, 20, 45, 100]]) + 739_000
    before, first, second, after = month_odds(days, 739_000, 739_000 + np.array([0, 20, 45, 100, 3_000]))[0]
    assert (before, first, second, after) == pytest.approx((0.05, 0.45, 0.45, 0.05), abs=0.02)


def test_a_deal_still_open_closes_later_than_was_thought() -> None:
    fresh, late = (
        open_deals([position(1, odds=odds(0.5, 10, 30, 60, made_days_ago=days))], AT, PERIOD, UNKNOWN)
        for days in (0, 90)
    )
    assert late.odds[0].sum() == pytest.approx(1, abs=0.02)
    assert late.odds[0, 0] > fresh.odds[0, 0]
