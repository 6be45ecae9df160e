"""Base rates and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datascience.predictions import fallback


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_an_interval_holds_its_share_and_stays_a_probability(share: float, total: float) -> None:
    low, high = fallback.wilson(share, total)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_more_deals_narrow_the_interval(share: float, total: float) -> None:
    def width(deals: float) -> float:
        low, high = fallback.wilson(share, deals)
        return high - low

    assert width(4 * total) < width(total)


def test_the_ends_solve_wilsons_equation() -> None:
    share, total, z = 0.3, 50.0, 1.6448536269514722
    for end in fallback.wilson(share, total):
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / total))


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_base_rate_is_within_its_interval(won: int, lost: int) -> None:
    told = fallback.base_rate(won, lost)
    assert 0 <= told.low <= told.probability <= told.high <= 1
    assert told.days_low <= told.days_to_close <= told.days_high
    assert (told.basis, told.model, told.reasons) == ("base_rate", "base_rate", ())


def test_base_rates_by_hand() -> None:
    nothing = fallback.base_rate(0, 0)
    assert (nothing.low, nothing.probability, nothing.high) == (0, 0.5, 1)
    assert fallback.base_rate(3, 5).probability == pytest.approx(0.4)
    assert 0.2 < fallback.base_rate(250, 750).low < 0.25 < fallback.base_rate(250, 750).high < 0.3


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_risk_is_the_other_side_of_the_odds(won: int, lost: int) -> None:
    odds, risk = fallback.answer("forecast", won, lost), fallback.answer("risk", won, lost)
    assert risk.probability == pytest.approx(1 - odds.probability)
    assert (risk.low, risk.high) == (pytest.approx(1 - odds.high), pytest.approx(1 - odds.low))


def test_where_nothing_is_counted_everything_is_possible() -> None:
    told = fallback.answer("followup", 90, 10)
    assert (told.low, told.probability, told.high, told.basis, told.model) == (0, 0.5, 1, "rule", "rule")
