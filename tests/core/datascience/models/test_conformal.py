"""Intervals: they hold on what taught nothing, follow what drifts, and come back from JSON as they were."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datascience.models.calibration import sigmoid
from core.datascience.models.conformal import (
    AdaptiveWidth,
    Bands,
    OddsInterval,
    TrackingWidth,
    conformal_quantile,
    covered,
    drift_between,
    effective,
)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.05, 0.95))
def test_the_quantile_holds_for_each_score_left_out_as_often_as_promised(scores: list[float], level: float) -> None:
    """Of n + 1 exchangeable scores, each left out in turn, at least `level` lie within the quantile of the others."""
    inside = [
        score <= conformal_quantile(scores[:place] + scores[place + 1 :], level) for place, score in enumerate(scores)
    ]
    assert sum(inside) >= level * len(scores) - 1e-6


def test_too_few_scores_promise_nothing() -> None:
    assert conformal_quantile([1.0, 2.0], 0.9) == math.inf
    assert conformal_quantile(range(1, 10), 0.9) == 9


def lives(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    stage = rng.integers(0, 5, rows).astype(float)
    return stage, rng.gamma(2.0, 30 / (1 + stage))


def test_bands_hold_on_new_rows_in_every_bin() -> None:
    """On average over ten worlds; one world's 300 newer rows a bin leave it ±.02."""
    found = []
    for seed in range(10):
        stage, days = lives(6_000, seed)
        made = Bands.fit(stage, days, np.arange(6_000) >= 4_500, edges=[0.5, 1.5, 2.5, 3.5])
        there, truth = lives(10_000, 100 + seed)
        low, middle, high = made.intervals(there)
        found.append([covered(low[there == n], high[there == n], truth[there == n]) for n in range(5)])
        assert np.mean(truth <= middle) == pytest.approx(0.5, abs=0.03)
        assert made.low[4] < made.high[4] < made.high[0]
    assert np.mean(found, axis=0) == pytest.approx(0.9, abs=0.02)


def test_bands_move_apart_when_newer_rows_spread() -> None:
    stage, days = lives(4_000, 3)
    newer = np.arange(4_000) >= 3_000
    plain = Bands.fit(stage, days, newer, edges=[1.5, 3.5])
    spread = Bands.fit(stage, np.where(newer, days * 2, days), newer, edges=[1.5, 3.5])
    assert all(wide > narrow for wide, narrow in zip(spread.high, plain.high, strict=True))


def test_a_deal_seen_often_is_no_more_evidence() -> None:
    """Ten newer deals, each seen 50 times, cannot promise more than ten deals can; so they widen nothing."""
    stage, days = lives(1_000, 4)
    by, value = np.concatenate([stage, np.zeros(500)]), np.concatenate([days, np.full(500, 900.0)])
    newer, group = np.arange(1_500) >= 1_000, np.concatenate([np.arange(1_000), 1_000 + np.arange(500) % 8])
    few = Bands.fit(by, value, newer, edges=[0.5], group=group)
    many = Bands.fit(by, value, newer, edges=[0.5], group=np.arange(1_500))
    assert few.high[0] < many.high[0]


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(0, 999))
def test_bands_are_ordered_however_few_the_rows(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    by, value, newer = rng.normal(size=rows), rng.normal(size=rows), rng.integers(0, 2, rows).astype(bool)
    made = Bands.fit(by, value, newer, least=-math.inf)
    assert Bands.from_json(json.loads(json.dumps(made.to_json()))) == made
    for place in rng.normal(size=5):
        low, middle, high = made.interval(place)
        assert low <= middle <= high
        assert (low, middle, high) == tuple(float(ends[0]) for ends in made.intervals([place]))


@pytest.mark.parametrize(
    "told",
    [
        {"edges": [1.0], "low": [0.0], "middle": [1.0], "high": [2.0]},
        {"edges": [], "low": [3.0], "middle": [1.0], "high": [2.0]},
        {"edges": [2.0, 1.0], "low": [0.0] * 3, "middle": [1.0] * 3, "high": [2.0] * 3},
    ],
)
def test_what_are_no_bands_is_refused(told: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="no bands"):
        Bands.from_json(told)


# ── odds ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def periods(count: int, each: int, drift: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Odds said, outcomes, period; each period's true odds differ from those said by one draw."""
    rng = np.random.default_rng(seed)
    period = np.repeat(np.arange(count), each)
    line = rng.normal(0, 1, count * each)
    won = rng.uniform(size=line.size) < sigmoid(line + rng.normal(0, drift, count)[period])
    return sigmoid(line), won.astype(float), period


def test_drift_is_found_and_chance_is_not_taken_for_it() -> None:
    still = [drift_between(*periods(30, 200, 0.0, seed), np.arange(6_000)) for seed in range(10)]
    moving = [drift_between(*periods(30, 200, 0.5, seed), np.arange(6_000)) for seed in range(10)]
    assert np.mean(still) < 0.08
    assert np.mean(moving) == pytest.approx(0.5, abs=0.1)


def test_the_interval_of_odds_holds_for_periods_to_come() -> None:
    """The share won in each bin of each new period, 50 deals a bin, lies within nine times of ten."""
    inside = []
    for seed in range(12):
        made = OddsInterval.fit(*periods(20, 100, 0.5, seed)[:2], period=np.repeat(np.arange(20), 100))
        said, won, period = periods(10, 500, 0.5, 100 + seed)
        place = np.searchsorted(made.edges, said, side="right")
        for key in {*zip(period.tolist(), place.tolist(), strict=True)}:
            here = (period == key[0]) & (place == key[1])
            ends = np.array([made.interval(p) for p in said[here]]).mean(axis=0)
            inside.append(ends[0] <= won[here].mean() <= ends[1])
    assert 0.86 < np.mean(inside) < 0.98


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 2), st.floats(1, 1e4))
def test_an_interval_holds_its_odds_and_widens_with_drift(p: float, drift: float, evidence: float) -> None:
    low, high = OddsInterval((), (evidence,), drift).interval(p)
    assert 0 <= low <= p <= high <= 1
    wider = OddsInterval((), (evidence,), drift + 0.5).interval(p)
    assert wider[0] <= low
    assert wider[1] >= high


def test_an_interval_comes_back_from_json() -> None:
    made = OddsInterval((0.3, 0.6), (10.0, 20.0, 5.0), 0.2)
    assert OddsInterval.from_json(json.loads(json.dumps(made.to_json()))) == made
    with pytest.raises(ValueError, match="no interval of odds"):
        OddsInterval.from_json({"edges": [0.5], "evidence": [1.0], "drift": 0.1})


def test_effective_rows_by_hand() -> None:
    assert effective([1, 2, 3, 4]) == 4
    assert effective([1, 1, 1, 1]) == 1
    assert effective([1, 1, 2]) == pytest.approx(9 / 5)
    assert effective([]) == 0


# ── what drifts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def follow(scores: np.ndarray, width: AdaptiveWidth | TrackingWidth, late: int = 1) -> float:
    """The share within reach, where an outcome is known `late` rows after its interval was given."""
    hits: list[bool] = []
    for at, score in enumerate(scores):
        if at >= late and not math.isnan(width.reach()):
            width.seen(scores[at - late], missed=not hits[at - late])
        elif at >= late:
            width.seen(scores[at - late])
        hits.append(bool(score <= width.reach()))
    return float(np.mean(hits[len(hits) // 10 :]))


@pytest.mark.parametrize(("late", "within"), [(1, 0.02), (50, 0.04)])
def test_the_promise_holds_while_the_world_moves(late: int, within: float) -> None:
    rng = np.random.default_rng(6)
    drifting = np.abs(rng.normal(size=6_000)) * np.linspace(1, 8, 6_000)
    jumping = np.abs(rng.normal(size=6_000)) * np.where(np.arange(6_000) % 2_000 < 1_000, 1, 5)
    for scores in (drifting, jumping):
        assert follow(scores, AdaptiveWidth(), late) == pytest.approx(0.9, abs=within)
        assert follow(scores, TrackingWidth(step=0.02, most=200), late) == pytest.approx(0.9, abs=within)


def test_what_tracks_holds_where_every_score_is_a_record() -> None:
    """No quantile of what was seen is enough there, and an outcome comes in 300 rows late."""
    rising = np.arange(6_000) + np.random.default_rng(6).normal(size=6_000)
    assert follow(rising, TrackingWidth(), 300) > 0.85
    assert follow(rising, AdaptiveWidth(), 300) < 0.1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([True, False, None])), max_size=80))
def test_what_tracks_forgets_in_order_and_its_state_comes_back(seen: list[tuple[float, bool | None]]) -> None:
    width = TrackingWidth(most=30)
    assert math.isnan(width.reach())
    for score, missed in seen:
        before = width.moved
        width.seen(score, missed=missed)
        assert (width.moved >= before) if missed else (missed is None or width.moved <= before)
        plain = min(conformal_quantile(list(width.scores), width.promise), max(width.scores))
        assert width.reach() == pytest.approx(plain + width.moved)
    assert list(width.scores) == [score for score, _ in seen][-30:]
    again = TrackingWidth.from_json(json.loads(json.dumps(width.to_json())))
    assert (again, again.reach() if seen else 0) == (width, width.reach() if seen else 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=80))
def test_the_level_stays_within_bounds_and_state_comes_back(seen: list[tuple[float, bool]]) -> None:
    width = AdaptiveWidth(most=20)
    assert math.isnan(width.reach())
    for score, missed in seen:
        width.seen(score, missed=missed)
        assert 0.45 <= width.level <= 1
        assert min(width.scores) <= width.reach() <= max(width.scores)
    assert len(width.scores) == min(20, len(seen))
    again = AdaptiveWidth.from_json(json.loads(json.dumps(width.to_json())))
    assert again == width


def test_a_miss_aims_higher_and_a_hit_a_little_lower() -> None:
    width = AdaptiveWidth()
    width.seen(1.0, missed=True)
    after_a_miss = width.level
    width.seen(1.0, missed=False)
    assert after_a_miss - 0.9 == pytest.approx(0.018)
    assert width.level - after_a_miss == pytest.approx(-0.002)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(1, 500), st.floats(0, 2))
def test_many_intervals_at_once_are_those_of_each(said: list[float], evidence: float, drift: float) -> None:
    made = OddsInterval((0.25, 0.5), (evidence, 2 * evidence, 7.0), drift)
    together = np.array(made.intervals(np.array(said))).T
    np.testing.assert_allclose(together, [made.interval(p) for p in said], rtol=1e-9, atol=1e-12)
