"""How far distributions lie apart: by hand, without a shift, and with one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from core.datascience.drift.measures import ks, ks_p, psi, shift
from core.datascience.models.reference import Histogram, counted, read, reference

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.integers(0, 3).map(float)), max_size=80)


@given(VALUES, VALUES)
@how(deadline=None)
def test_every_value_is_counted_once(one: list[float], other: list[float]) -> None:
    histogram = Histogram.of(np.array(one, np.float64))
    counts = counted(np.array(other, np.float64), histogram.edges)
    assert counts.sum() == len(other)
    assert counts[-1] == sum(math.isnan(value) for value in other)
    assert len(histogram.shares) == len(histogram.edges) + 2
    assert list(histogram.edges) == sorted(set(histogram.edges))
    if one:
        assert sum(histogram.shares) == pytest.approx(1, abs=1e-4)


@given(VALUES.filter(len), VALUES.filter(len))
@how(deadline=None)
def test_the_index_is_never_negative_and_nothing_where_nothing_moved(one: list[float], other: list[float]) -> None:
    first, second = np.array(one, np.float64), np.array(other, np.float64)
    histogram = Histogram.of(first)
    assert shift(histogram, second).psi >= 0
    same = shift(histogram, first)
    assert same.psi < 1e-3


def test_the_index_by_hand() -> None:
    shares, counts = np.array([0.5, 0.5, 0.0]), np.array([80.0, 20.0, 0.0])
    before, now = [50.5 / 101.5, 50.5 / 101.5, 0.5 / 101.5], [80.5 / 101.5, 20.5 / 101.5, 0.5 / 101.5]
    expected = sum((n - b) * math.log(n / b) for b, n in zip(before, now, strict=True))
    assert psi(shares, counts, 100) == pytest.approx(expected)


def test_the_distance_is_that_of_scipy() -> None:
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(1)
    one, other = rng.normal(size=100), rng.normal(0.4, 1, 300)
    theirs = ks_2samp(one, other)
    assert ks(np.sort(one), other) == pytest.approx(theirs.statistic)
    assert ks_p(theirs.statistic, 300, 100) == pytest.approx(theirs.pvalue, rel=0.25)


def alarms(draw: Any, tries: int = 200) -> float:
    """How often the same distribution is called another one."""
    found = 0
    for seed in range(tries):
        rng = np.random.default_rng(seed)
        one = shift(Histogram.of(draw(rng, 400)), draw(rng, 150))
        found += one.psi > one.psi_by_chance or one.ks_p < 0.01
    return found / tries


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.integers(0, 5, n).astype(float),
        lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.exponential(size=n)),
        lambda rng, n: (rng.random(n) < 0.1).astype(float),
    ],
    ids=["normal", "stages", "often unknown", "seldom one"],
)
def test_chance_alone_is_seldom_over_its_bound(draw: Any) -> None:
    assert alarms(draw) < 0.06


@pytest.mark.parametrize(
    "moved",
    [
        lambda rng: rng.normal(1.0, 1, 300), lambda rng: rng.normal(0, 3, 300), lambda rng: np.full(300, np.nan),
        lambda rng: np.where(rng.random(300) < 0.5, np.nan, rng.normal(size=300)), lambda rng: np.zeros(300),
    ],
    ids=["moved", "spread", "gone", "half gone", "frozen"],
)  # fmt: skip
def test_a_real_shift_is_over_the_usual_limit(moved: Any) -> None:
    rng = np.random.default_rng(3)
    one = shift(Histogram.of(rng.normal(size=1000)), moved(rng))
    assert one.psi > max(0.25, one.psi_by_chance)


def test_a_reference_travels_as_json() -> None:
    import json

    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 2)).astype(np.float32)
    x[:50, 1] = np.nan
    told = json.loads(json.dumps(reference(("a", "b"), x, rng.random(300), deals=90)))
    features, score = read(told)
    assert set(features) == {"a", "b"}
    assert features["b"].shares[-1] == pytest.approx(50 / 300, abs=1e-4)
    assert score is not None
    assert score.count == 90
    assert len(json.dumps(told)) < 8000
    assert read({}) == ({}, None)
