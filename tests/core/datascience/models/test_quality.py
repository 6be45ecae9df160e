"""Measures in plain NumPy, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from core.datascience.models.quality import ece, ece_by_chance, quality
from training import metrics


@given(st.integers(0, 10_000), st.integers(5, 120))
@how(deadline=None, max_examples=30)
def test_measures_are_those_of_scikit_learn(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    won = np.array([1.0, 0.0, *(rng.random(n) < 0.4)])
    said = np.round(rng.random(n + 2), 1)
    theirs, ours = metrics.classification(won, said), quality(won, said)
    for name in ("auc", "brier", "ece", "accuracy", "f1", "mcc"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9), name


def test_what_cannot_be_told_is_left_out() -> None:
    found = quality(np.ones(4), np.full(4, 0.7))
    assert "auc" not in found
    assert found["brier"] == pytest.approx(0.09)
    assert "recall" not in quality(np.zeros(4), np.full(4, 0.7))


def test_true_odds_show_only_what_chance_shows() -> None:
    rng = np.random.default_rng(1)
    deal = np.repeat(np.arange(150), 6)
    said = np.repeat(rng.random(150), 6)
    found = [ece((rng.random(150)[deal] < said).astype(float), said) for _ in range(40)]
    chance = ece_by_chance(np.zeros(900), said, deal)
    assert chance == pytest.approx(float(np.mean(found)), abs=0.01)
    assert ece_by_chance(np.zeros(900), said) < chance / 1.5


def test_bent_odds_show_more() -> None:
    rng = np.random.default_rng(2)
    said = rng.random(2000)
    won = (rng.random(2000) < said**2).astype(float)
    assert ece(won, said) - ece_by_chance(won, said) > 0.1
