"""Base rates, intervals, risk and what moved a prediction."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.forecasting import rules
from core.ports import Reason


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_an_interval_holds_its_share_and_stays_a_probability(share: float, total: float) -> None:
    low, high = rules.wilson(share, total)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_more_deals_narrow_the_interval(share: float, total: float) -> None:
    def width(deals: float) -> float:
        low, high = rules.wilson(share, deals)
        return high - low

    assert width(4 * total) < width(total)


def test_the_ends_solve_wilsons_equation() -> None:
    share, total, z = 0.3, 50.0, 1.6448536269514722
    for end in rules.wilson(share, total):
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / total))


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_base_rate_is_within_its_interval(won: int, lost: int) -> None:
    told = rules.base_rate(won, lost)
    assert 0 <= told.low <= told.probability <= told.high <= 1
    assert told.days_low <= told.days_to_close <= told.days_high
    assert (told.basis, told.model, told.reasons) == ("base_rate", "base_rate", ())


def test_base_rates_by_hand() -> None:
    nothing = rules.base_rate(0, 0)
    assert (nothing.low, nothing.probability, nothing.high) == (0, 0.5, 1)
    assert rules.base_rate(3, 5).probability == pytest.approx(0.4)
    assert 0.2 < rules.base_rate(250, 750).low < 0.25 < rules.base_rate(250, 750).high < 0.3


@pytest.mark.parametrize(
    ("probability", "risk"),
    [(1.0, "low"), (0.6, "low"), (0.5999, "medium"), (0.3, "medium"), (0.2999, "high"), (0.0, "high")],
)
def test_risk_by_probability(probability: float, risk: str) -> None:
    assert rules.risk(probability) == risk


def test_a_change_names_what_moved_largest_first() -> None:
    before = [Reason("calls", 1.0, 0.2), Reason("objections", 0.0, 0.5), Reason("stage", 2.0, 0.3)]
    after = [Reason("objections", 2.0, -0.4), Reason("calls", 2.0, 0.35), Reason("stage", 2.0, 0.305)]
    moved = rules.change(before, after)
    assert [(m.feature, m.value) for m in moved] == [("objections", 2.0), ("calls", 2.0)]
    assert [m.impact for m in moved] == pytest.approx([-0.9, 0.15])
    assert rules.change(after, after) == []


def test_without_a_before_the_whole_share_is_new() -> None:
    assert rules.change([], [Reason("calls", 1.0, 0.2)]) == [Reason("calls", 1.0, 0.2)]
