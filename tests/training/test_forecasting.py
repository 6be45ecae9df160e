"""Training the odds of deals, in this process: it learns what is there, finds nothing where nothing is, and never
sees the future."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.datascience.models.bundle import unpack
from core.datascience.predictions.served import Served
from core.forecasting.features import NAMES, DealHistory, StageChange, build
from core.forecasting.sequence import sequence
from core.ports import Question
from training import recipes
from training.data import NotEnoughDeals
from training.forecasting import (
    Report,
    train,
)
from training.moments import moments, snapshots
from training.simulated_pipeline import simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def histories(deals: int, seed: int) -> list[DealHistory]:
    return [deal.history for deal in simulate(deals=deals, until=UNTIL, seed=seed)]


def fit(found: Sequence[DealHistory], **how: Any) -> Report:
    return train(found, how=recipes.of("xgboost").changed(how))


def meta(report: Report) -> dict[str, Any]:
    return unpack(report.bundle).meta.model_dump()


def days(report: Report) -> list[tuple[float, float, float]]:
    """Low, middle and high by stage."""
    told = meta(report)["days"]
    return list(zip(told["low"], told["middle"], told["high"], strict=True))


@pytest.fixture(scope="module")
def usual() -> Report:
    """The model of the simulated pipeline as it comes: 1,500 deals, seed 7."""
    return fit([deal.history for deal in simulate(until=UNTIL)])


def test_it_learns_what_happened(usual: Report) -> None:
    assert usual.metrics["auc"] > 0.78
    assert usual.metrics["brier"] < 0.2
    assert usual.metrics["ece"] < 0.06
    assert usual.metrics["auc"] > usual.baseline["auc"] - 0.02


def test_intervals_hold_what_they_promise(usual: Report) -> None:
    assert usual.metrics["days_coverage_90"] > 0.87
    assert usual.metrics["odds_coverage_90"] > 0.87
    for low, middle, high in days(usual):
        assert 0 <= low < middle < high < 550


def test_days_hold_on_average_over_pipelines() -> None:
    """Few trees: the table of days knows nothing of them."""
    found = [fit(histories(600, seed), rounds=2).metrics["days_coverage_90"] for seed in range(31, 37)]
    assert 0.88 < np.mean(found) < 0.97


def test_with_outcomes_shuffled_there_is_nothing_to_learn() -> None:
    rng = random.Random(1)
    found = [history for history in histories(1500, 7) if history.won is not None]
    outcomes = [history.won for history in found]
    rng.shuffle(outcomes)
    report = fit([dataclasses.replace(h, won=won) for h, won in zip(found, outcomes, strict=True)])
    assert 0.4 < report.metrics["auc"] < 0.6


def test_600_deals_take_seconds() -> None:
    found = histories(600, 7)
    begun = time.perf_counter()
    report = fit(found)
    assert time.perf_counter() - begun < 10
    assert report.deals == sum(history.won is not None for history in found)


def test_the_same_deals_give_the_same_model() -> None:
    found = histories(300, 5)
    first, second = fit(found, rounds=20), fit(list(reversed(found)), rounds=20)
    assert (first.bundle, first.fingerprint) == (second.bundle, second.fingerprint)
    other = fit(histories(300, 6), rounds=20)
    assert other.fingerprint != first.fingerprint


def test_open_deals_teach_no_odds_and_lengthen_the_days() -> None:
    found = histories(300, 5)
    closed = [history for history in found if history.won is not None]
    assert len(closed) < len(found)
    with_open, without = fit(found, rounds=20), fit(closed, rounds=20)
    assert _model(with_open) == _model(without)
    for name in ("calibration", "interval"):
        assert meta(with_open)[name] == meta(without)[name]
    for (_, longer, _), (_, middle, _) in zip(days(with_open), days(without), strict=True):
        assert longer >= middle
    assert meta(with_open)["days"] != meta(without)["days"]


def test_the_newest_fifth_only_measures() -> None:
    """With the outcomes of the newest deals turned round, the model is the same and its quality another."""
    closed = sorted((h for h in histories(400, 5) if h.closed_at is not None), key=lambda h: h.closed_at or UNTIL)
    end = round(len(closed) * 0.64) + round(len(closed) * 0.16)
    turned = closed[:end] + [dataclasses.replace(history, won=not history.won) for history in closed[end:]]
    first, second = fit(closed, rounds=20), fit(turned, rounds=20)
    assert _model(first) == _model(second)
    for name in ("calibration", "days", "interval"):
        assert meta(first)[name] == meta(second)[name]
    assert second.metrics["auc"] == pytest.approx(1 - first.metrics["auc"])


def _model(report: Report) -> bytes:
    return unpack(report.bundle).files["model.ubj"]


def test_the_bundle_predicts_what_the_measure_says(usual: Report) -> None:
    served = Served(usual.bundle, basis="tenant", version="1")
    closed = sorted((h for h in histories(1500, 7) if h.closed_at is not None), key=lambda h: h.closed_at or UNTIL)
    newest = closed[-len(closed) // 5 :]
    told = served.predict([Question(build(history, moments(history, 7)[-1])) for history in newest])
    won = np.mean([t.probability for t, h in zip(told, newest, strict=True) if h.won])
    lost = np.mean([t.probability for t, h in zip(told, newest, strict=True) if not h.won])
    assert won - lost > 0.2


# ── too few ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_few_closed_deals_are_counted_in_the_answer() -> None:
    found = histories(150, 5)
    won, lost = (sum(history.won is outcome for history in found) for outcome in (True, False))
    with pytest.raises(NotEnoughDeals) as refused:
        fit(found)
    assert "at least 200 closed deals" in refused.value.detail
    assert f"{won} won and {lost} lost" in refused.value.detail


@pytest.mark.parametrize("won", [True, False])
def test_an_outcome_that_hardly_happens_cannot_be_learnt(won: bool) -> None:
    found = histories(600, 5)
    rare = [history for history in found if history.won is won][:19]
    with pytest.raises(NotEnoughDeals):
        fit([history for history in found if history.won is (not won)] + rare)


# ── moments and snapshots ────────────────────────────────────────────────────────────────────────────────────────────


def life(opened: datetime, closed: datetime) -> DealHistory:
    return DealHistory(
        1_00, "BRL", None, None, None, opened, (StageChange(opened, "prospecting"),), (), None, closed, True
    )


def test_moments_are_days_of_one_calendar_within_the_life() -> None:
    first = life(UNTIL, UNTIL + 30 * DAY)
    second = life(UNTIL + 3 * DAY, UNTIL + 60 * DAY)
    for history in (first, second):
        assert history.closed_at is not None
        assert all(history.opened_at < moment < history.closed_at for moment in moments(history, 7))
    assert len(moments(first, 7)) == 4
    both = set(moments(first, 7)) & set(moments(second, 7))
    assert len(both) >= 3
    assert {(b - a) for a, b in zip(moments(second, 7), moments(second, 7)[1:], strict=False)} == {7 * DAY}


def test_a_life_between_two_calendar_days_is_seen_once() -> None:
    short = life(UNTIL + DAY / 2, UNTIL + DAY / 2 + timedelta(minutes=1))
    assert moments(short, 7) == [short.opened_at]


def test_snapshots_hold_features_of_the_moment_and_each_deal_weighs_one() -> None:
    closed = [history for history in histories(60, 5) if history.won is not None]
    data = snapshots(closed, every_days=7)
    assert data.x.shape == (len(data.won), len(NAMES))
    weights = np.bincount(data.deal, weights=data.weight)
    assert weights == pytest.approx(np.ones(len(closed)))
    assert (data.days_left > 0).all()
    row = 0
    for number, history in enumerate(closed):
        for moment in moments(history, 7):
            expected = [np.nan if (v := build(history, moment)[name]) is None else v for name in NAMES]
            assert np.array_equal(data.x[row], np.array(expected, np.float32), equal_nan=True)
            assert (data.deal[row], data.won[row]) == (number, history.won)
            row += 1
    assert row == len(data.won)


def test_a_deal_lies_whole_on_one_side_of_the_split() -> None:
    """The deals beside the cut: the last before it is learnt from, nothing of the first after it is."""
    closed = sorted((h for h in histories(300, 5) if h.closed_at is not None), key=lambda h: h.closed_at or UNTIL)
    cut = round(len(closed) * 0.64) + round(len(closed) * 0.16)
    plain = fit(closed, rounds=5)

    def turned(place: int) -> Report:
        other = dataclasses.replace(closed[place], won=not closed[place].won)
        return fit([*closed[:place], other, *closed[place + 1 :]], rounds=5)

    assert len(moments(closed[cut], 7)) > 1
    assert _model(turned(cut - 1)) != _model(plain)
    assert _model(turned(cut)) == _model(plain)
    assert turned(cut).metrics != plain.metrics


# ── every algorithm ──────────────────────────────────────────────────────────────────────────────────────────────────

QUICK: dict[str, dict[str, Any]] = {
    "logistic": {}, "lightgbm": {"rounds": 20}, "lstm": {"epochs": 1, "hidden": 4}, "ensemble": {"folds": 2},
}  # fmt: skip


@pytest.mark.parametrize("algorithm", QUICK)
def test_each_algorithm_comes_to_a_bundle_that_serves(algorithm: str) -> None:
    """On deals and moments, never on those that measure; what is measured is what serving says."""
    found = histories(300, 5)
    report = train(found, how=recipes.of(algorithm).changed(QUICK[algorithm]))
    assert meta(report)["algorithm"] == algorithm
    assert report.held_out.said_by(report.bundle) == pytest.approx(report.held_out.evidence.said, abs=1e-6)
    assert 0.5 < report.metrics["auc"] < 0.95
    served = Served(report.bundle, basis="tenant", version="1")
    deal = next(history for history in found if history.won is None)
    steps = tuple(tuple(step) for step in sequence(deal, UNTIL))
    [told] = served.predict([Question(build(deal, UNTIL), events=steps)])
    assert told.low <= told.probability <= told.high
    assert served.reads_sequences == (algorithm == "lstm")
    assert ("events" in {reason.feature for reason in told.reasons}) == (algorithm == "lstm")


def test_risk_is_the_other_side_of_the_odds() -> None:
    found = histories(300, 5)
    [win, risk] = [train(found, algorithm="logistic", context=context) for context in ("forecast", "risk")]
    assert meta(risk)["context"] == "risk"
    assert risk.held_out.evidence.won.tolist() == (1 - win.held_out.evidence.won).tolist()
    assert risk.metrics["auc"] == pytest.approx(win.metrics["auc"], abs=0.02)
