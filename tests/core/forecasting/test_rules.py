"""Risk, and what moved a prediction."""

from __future__ import annotations

import pytest

from core.forecasting import rules
from core.ports import Reason


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
