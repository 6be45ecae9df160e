"""Calibration: curves that rise, find the truth, are chosen by time, and follow what drifts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.datascience.models.calibration import KINDS, Calibration, choose, fit, log_loss, recalibrated, sigmoid

MARGINS = arrays(np.float64, st.integers(2, 60), elements=st.floats(-8, 8))


def world(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Margins that say too much: the truth is half as sure, and higher by .7."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(0, 2, rows)
    return margin, (rng.uniform(size=rows) < sigmoid(0.5 * margin + 0.7)).astype(float)


@settings(max_examples=50, deadline=None)
@given(MARGINS, st.sampled_from(KINDS), st.randoms())
def test_a_curve_never_falls_and_says_probabilities(margin: np.ndarray, kind: str, random) -> None:  # type: ignore[no-untyped-def]
    won = np.array([float(random.random() < 0.5) for _ in margin])
    said = fit(kind, margin, won).probability(np.linspace(-20, 20, 200))
    assert (np.diff(said) >= -1e-12).all()
    assert ((said > 0) & (said < 1)).all()


@settings(max_examples=50, deadline=None)
@given(MARGINS, st.sampled_from(KINDS), st.floats(-3, 3), st.integers(0, 99))
def test_stretched_shares_add_up_to_the_calibrated_log_odds(
    margin: np.ndarray, kind: str, base: float, seed: int
) -> None:
    won = (np.random.default_rng(seed).uniform(size=len(margin)) < 0.4).astype(float)
    made = fit(kind, margin, won)
    stretch = made.stretch(margin, base)
    assert (stretch >= 0).all()
    apart = np.abs(margin - base) > 1e-6  # nearer than that there is nothing to share out
    added = made.log_odds(base) + stretch * (margin - base)
    assert added[apart] == pytest.approx(made.log_odds(margin)[apart], abs=1e-6)


def test_one_margin_has_one_height() -> None:
    made = fit("isotonic", np.array([7.0, 7.0]), np.array([0.0, 1.0]))
    assert made.log_odds([-7, 7, 20]) == pytest.approx([0, 0, 0])


@settings(max_examples=50, deadline=None)
@given(MARGINS, st.sampled_from(KINDS), st.integers(0, 99))
def test_json_and_back_is_the_same(margin: np.ndarray, kind: str, seed: int) -> None:
    won = (np.random.default_rng(seed).uniform(size=len(margin)) < 0.4).astype(float)
    made = recalibrated(fit(kind, margin, won), margin, won, age=np.zeros(len(margin)), half_life=10)
    assert Calibration.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "platt", "curve": [1.0], "slope": 1, "shift": 0},
        {"kind": "pickle", "curve": [1.0, 0.0], "slope": 1, "shift": 0},
        {"kind": "platt", "curve": [1.0, float("nan")], "slope": 1, "shift": 0},
        {"kind": "isotonic", "curve": [1.0, 0.0, 2.0], "slope": 1, "shift": 0},
    ],
)
def test_what_is_no_calibration_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no calibration"):
        Calibration.from_json(told)


@pytest.mark.parametrize("kind", ["platt", "beta", "isotonic"])
def test_a_curve_finds_the_truth(kind: str) -> None:
    said = fit(kind, *world(20_000)).probability([-3, -1, 0, 1, 3])
    assert said == pytest.approx(sigmoid(0.5 * np.array([-3, -1, 0, 1, 3]) + 0.7), abs=0.035)


def test_platt_is_the_logistic_regression_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    margin, won = world(5_000)
    theirs = LogisticRegression(C=1e6).fit(margin[:, None], won)
    assert fit("platt", margin, won).curve == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=2e-3)


def test_weights_count_as_repeats() -> None:
    margin, won = world(300)
    often = np.random.default_rng(3).integers(1, 4, 300)
    for kind in ("temperature", "platt", "beta"):
        weighted = fit(kind, margin, won, often)
        assert weighted.curve == pytest.approx(fit(kind, np.repeat(margin, often), np.repeat(won, often)).curve)


def test_margins_that_say_the_opposite_are_held_level_and_never_turned_round() -> None:
    margin, won = world(2_000)
    for kind in KINDS:
        said = fit(kind, -margin, won).probability([-3.0, 3.0])
        assert 0 <= said[1] - said[0] < 0.1


def test_one_outcome_alone_is_no_certainty() -> None:
    for kind in KINDS:
        assert 0.01 < fit(kind, np.zeros(30), np.ones(30)).probability(0) < 0.999


def test_the_plainest_kind_that_fits_is_chosen() -> None:
    rng = np.random.default_rng(8)
    margin = rng.normal(0, 1.5, 4_000)
    honest = (rng.uniform(size=4_000) < sigmoid(0.6 * margin)).astype(float)
    assert choose(margin, honest).kind == "temperature"
    shifted, won = world(4_000)
    assert choose(shifted, won).kind == "platt"


def test_a_bent_truth_is_given_a_curve_that_bends() -> None:
    rng = np.random.default_rng(4)
    margin = rng.normal(0, 2, 8_000)
    truth = np.where(margin > 0, 0.75, 0.2)
    won = (rng.uniform(size=8_000) < truth).astype(float)
    assert choose(margin, won).kind == "isotonic"


def test_the_choice_is_fitted_on_all_rows_and_sees_their_order() -> None:
    margin, won = world(1_000)
    made = choose(margin, won)
    assert made == fit(made.kind, margin, won)


def test_outcomes_that_come_in_move_the_curve_to_where_they_lie() -> None:
    margin, won = world(4_000)
    made = fit("platt", margin, won)
    rng = np.random.default_rng(5)
    now = rng.normal(0, 2, 3_000)
    later = (rng.uniform(size=3_000) < sigmoid(0.5 * now - 1.3)).astype(float)  # everything is harder by 2
    moved = recalibrated(made, now, later, age=np.arange(3_000)[::-1], half_life=1_000)
    assert log_loss(later, moved.probability(now)).mean() < log_loss(later, made.probability(now)).mean() - 0.1
    assert moved.probability([-2, 0, 2]) == pytest.approx(sigmoid([-2.3, -1.3, -0.3]), abs=0.04)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 5), st.integers(0, 99))
def test_few_outcomes_move_little(rows: int, seed: int) -> None:
    made = fit("platt", *world(500))
    rng = np.random.default_rng(seed)
    moved = recalibrated(made, rng.normal(size=rows), rng.integers(0, 2, rows), age=np.zeros(rows), half_life=100)
    assert np.abs(moved.log_odds([-2, 0, 2]) - made.log_odds([-2, 0, 2])).max() < 1.2


def test_old_outcomes_hardly_count() -> None:
    made = fit("platt", *world(500))
    margin, won = np.zeros(200), np.ones(200)
    fresh = recalibrated(made, margin, won, age=np.zeros(200), half_life=50)
    stale = recalibrated(made, margin, won, age=np.full(200, 2_000.0), half_life=50)
    assert fresh.probability(0) > 0.9
    assert stale.probability(0) == pytest.approx(float(made.probability(0)), abs=1e-3)


def test_a_line_is_drawn_anew_and_never_on_top_of_another() -> None:
    made = fit("beta", *world(500))
    margin, won = world(400, seed=9)
    once = recalibrated(made, margin, 1 - won, age=np.zeros(400), half_life=100)
    again = recalibrated(once, margin, 1 - won, age=np.zeros(400), half_life=100)
    assert once == again
    assert recalibrated(once, [], [], age=[], half_life=100) == made
