"""Quality figures by hand, and against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from training.metrics import classification, confusion, ece, reliability

GOOD = ("auc", "pr_auc", "accuracy", "precision", "recall", "f1", "mcc")


def test_ece_by_hand() -> None:
    truth = np.array([1.0, 0.0, 1.0, 1.0])
    odds = np.array([0.12, 0.18, 0.9, 1.0])
    # two in the second bin: |.5 - .15|; two in the last: |1 - .95|
    assert ece(truth, odds) == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)


def test_ece_with_weights_by_hand() -> None:
    truth, odds, weights = np.array([1.0, 0.0]), np.array([0.15, 0.15]), np.array([3.0, 1.0])
    assert ece(truth, odds, weights) == pytest.approx(0.6)
    assert ece(truth, odds, weights) == pytest.approx(ece(np.repeat(truth, [3, 1]), np.repeat(odds, [3, 1])))


def test_honest_odds_have_little_error_and_boastful_ones_much() -> None:
    rng = np.random.default_rng(5)
    odds = rng.uniform(size=20_000)
    truth = (rng.uniform(size=20_000) < odds).astype(float)
    assert ece(truth, odds) < 0.02
    assert ece(truth, np.where(odds > 0.5, 0.99, 0.01)) > 0.2
    assert ece(truth, np.full(20_000, truth.mean())) == pytest.approx(0, abs=1e-9)


def test_perfect_and_reversed() -> None:
    truth = np.array([0.0, 0.0, 1.0, 1.0])
    perfect = classification(truth, truth)
    assert {name: perfect[name] for name in GOOD} == dict.fromkeys(GOOD, 1.0)
    assert (perfect["brier"], perfect["ece"]) == (0, 0)
    reversed_ = classification(truth, 1 - truth)
    assert (reversed_["auc"], reversed_["accuracy"], reversed_["mcc"], reversed_["brier"]) == (0, 0, -1, 1)


def test_what_was_and_what_was_said_are_counted_by_hand() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    odds = np.array([0.1, 0.5, 0.9, 0.49, 0.5, 0.8, 1.0])
    assert confusion(truth, odds).tolist() == [[1, 2], [1, 3]]
    found = classification(truth, odds)
    assert (found["precision"], found["recall"], found["accuracy"]) == pytest.approx((3 / 5, 3 / 4, 4 / 7))


def test_bins_of_the_calibration_plot_by_hand_and_as_the_error_has_them() -> None:
    truth = np.array([1.0, 0.0, 1.0, 1.0])
    odds = np.array([0.12, 0.18, 0.9, 1.0])
    assert reliability(truth, odds) == pytest.approx(np.array([[0.15, 0.5, 0.5], [0.95, 1.0, 0.5]]))
    rng = np.random.default_rng(3)
    truth, odds = rng.integers(0, 2, 500).astype(float), rng.uniform(size=500)
    said, came, share = reliability(truth, odds).T
    assert share.sum() == pytest.approx(1)
    assert float(np.sum(np.abs(said - came) * share)) == pytest.approx(ece(truth, odds))


def test_weights_count_as_repeats() -> None:
    rng = np.random.default_rng(2)
    truth, odds = rng.integers(0, 2, 60).astype(float), rng.uniform(size=60)
    often = rng.integers(1, 4, 60)
    weighted = classification(truth, odds, often.astype(float))
    assert weighted == pytest.approx(classification(np.repeat(truth, often), np.repeat(odds, often)))
    assert weighted["auc"] == pytest.approx(sk.roc_auc_score(truth, odds, sample_weight=often))
