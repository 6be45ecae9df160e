"""DeLong's test and the paired bootstrap: the same as by brute force, and as right as they say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from core.datascience.models.paired import auc, auc_interval, bootstrap, delong, losses, midranks

Floats = Any


@st.composite
def rows(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Few rows with many ties, both outcomes in them at least twice."""
    n = draw(st.integers(4, 24))
    won = np.array([1.0, 0.0, 1.0, 0.0, *draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n - 4, max_size=n - 4))])
    scores = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.9]), min_size=n, max_size=n)
    return won, np.array(draw(scores)), np.array(draw(scores))


def wins(good: float, bad: float) -> float:
    return float(good > bad) + 0.5 * (good == bad)


def by_hand(won: Floats, a: Floats, b: Floats) -> tuple[float, float, float]:
    """DeLong et al. (1988) as they wrote it: every pair of a won and a lost row."""
    good, bad = np.flatnonzero(won == 1), np.flatnonzero(won == 0)
    table = [np.array([[wins(s[i], s[j]) for j in bad] for i in good]) for s in (a, b)]
    tenth, oneth = (np.array([t.mean(axis=axis) for t in table]) for axis in (1, 0))
    cov = np.cov(tenth) / len(good) + np.cov(oneth) / len(bad)
    return table[0].mean(), table[1].mean(), cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]


@given(rows())
@how(deadline=None, max_examples=150)
def test_delong_is_that_of_every_pair(given: tuple[Floats, Floats, Floats]) -> None:
    found = delong(*given)
    area_a, area_b, variance = by_hand(*given)
    assert found.a == pytest.approx(area_a)
    assert found.b == pytest.approx(area_b)
    assert ((found.high - found.low) / 2 / 1.6448536269514722) ** 2 == pytest.approx(variance, abs=1e-12)
    assert auc(given[0], given[1]) == pytest.approx(area_a)


@given(rows())
@how(deadline=None, max_examples=50)
def test_the_two_sides_of_a_comparison_mirror_each_other(given: tuple[Floats, Floats, Floats]) -> None:
    won, a, b = given
    there, back = delong(won, a, b), delong(won, b, a)
    assert there.better == pytest.approx(-back.better)
    assert there.p == pytest.approx(back.p_worse)
    assert delong(won, a, a).p == 0.5
    same = bootstrap(won, a, a, draws=50)
    assert (same.better, same.low, same.high) == (0, 0, 0)
    assert same.p == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_ranks_share_the_middle(values: list[int]) -> None:
    ranks = midranks(np.array(values, float))
    below = [sum(other < v for other in values) for v in values]
    equal = [values.count(v) for v in values]
    assert ranks.tolist() == [b + (e + 1) / 2 for b, e in zip(below, equal, strict=True)]


def test_each_row_a_deal_of_its_own_is_no_grouping() -> None:
    rng = np.random.default_rng(3)
    won = (rng.random(200) < 0.4).astype(float)
    a, b = rng.normal(won, 1), rng.normal(won * 0.5, 1)
    plain, grouped = delong(won, a, b), delong(won, a, b, np.arange(200))
    assert grouped.p == pytest.approx(plain.p, abs=1e-9)


def test_the_same_rows_many_times_are_no_more_evidence() -> None:
    rng = np.random.default_rng(4)
    won = (rng.random(120) < 0.4).astype(float)
    a, b = rng.normal(won, 1), rng.normal(won * 0.7, 1)
    once = delong(won, a, b)
    many = [np.repeat(x, 9) for x in (won, a, b, np.arange(120))]
    assert delong(*many).p == pytest.approx(once.p, abs=0.01)
    assert delong(*many[:3]).p < once.p / 3
    say = [1 / (1 + np.exp(-x)) for x in (a, b)]
    honest = bootstrap(won, *say)
    said = [np.repeat(x, 9) for x in say]
    assert bootstrap(many[0], *said, many[3]).p == pytest.approx(honest.p, abs=0.03)


def alarms(test: str, *, grouped: bool) -> float:
    """How often, of 400 tries, a model that is no better is called better at 5 %."""
    rng, found = np.random.default_rng(11), 0
    for seed in range(400):
        truth = rng.random(60)
        moments = 4 if grouped else 1
        won = np.repeat((rng.random(60) < truth).astype(float), moments)
        deal = np.repeat(np.arange(60), moments)
        odds = np.repeat(np.log(truth / (1 - truth)), moments)
        shared = np.repeat(rng.normal(0, 0.5, (2, 60)), moments, axis=1)
        a, b = (1 / (1 + np.exp(-(odds + shared[k] + rng.normal(0, 0.3, len(odds))))) for k in (0, 1))
        compared = delong(won, a, b, deal) if test == "auc" else bootstrap(won, a, b, deal, draws=300, seed=seed)
        found += compared.p < 0.05
    return found / 400


@pytest.mark.parametrize(("test", "grouped"), [*itertools.product(("auc", "brier"), (False, True))])
def test_false_alarms_are_as_rare_as_promised(test: str, grouped: bool) -> None:
    """400 tries at 5 %: above .085 lies one run in a thousand."""
    assert alarms(test, grouped=grouped) < 0.085


def test_a_better_model_is_found() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(800)
    won = (rng.random(800) < truth).astype(float)
    blurred = np.clip(truth + rng.normal(0, 0.25, 800), 0.01, 0.99)
    assert delong(won, truth, blurred).p < 0.001
    for measure in ("brier", "log_loss"):
        found = bootstrap(won, truth, blurred, measure=measure)  # type: ignore[arg-type]
        assert found.p < 0.01
        assert found.low < found.better < found.high
        assert found.better == pytest.approx(found.b - found.a)


def test_100_000_rows_take_less_than_a_second() -> None:
    import time

    rng = np.random.default_rng(6)
    won = (rng.random(100_000) < 0.3).astype(float)
    a, b = rng.normal(won), rng.normal(won)
    begun = time.perf_counter()
    delong(won, a, b)
    assert time.perf_counter() - begun < 1


def test_an_interval_covers_the_truth() -> None:
    """Normal scores one deviation apart: AUC is Φ(1/√2)."""
    rng, inside = np.random.default_rng(7), 0
    truth = 0.5 * math.erfc(-1 / 2)
    for _ in range(300):
        won = (rng.random(150) < 0.5).astype(float)
        _, low, high = auc_interval(won, rng.normal(won))
        inside += low <= truth <= high
    assert 0.84 < inside / 300 < 0.95


def test_one_outcome_has_no_auc_and_sure_mistakes_a_finite_loss() -> None:
    assert math.isnan(auc(np.ones(3), np.array([0.1, 0.2, 0.3])))
    assert np.isfinite(losses(np.array([1.0, 0.0]), np.array([0.0, 1.0]), "log_loss")).all()
