"""One open model: its odds, its reasons in every kind, what is outside of its range, and what could be done."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datascience.models.bundle import pack, unpack
from core.datascience.models.calibration import Calibration
from core.datascience.models.scorers import EVENTS, Inputs, open_scorer
from core.datascience.predictions import what_if
from core.datascience.predictions.served import Served
from core.kit.errors import BadAnswer, Invalid
from core.ports import Prediction, Question
from tests.fakes import models

X, Y = models.data()
LINE = {"kind": "platt", "curve": [0.8, 0.2], "slope": 1.0, "shift": 0.0}
BENT = {"kind": "beta", "curve": [0.7, 1.1, 0.3], "slope": 1.0, "shift": 0.1}
ODDS = {"edges": [0.3, 0.6], "evidence": [40.0, 50.0, 30.0], "drift": 0.2}
DAYS = {"by": "rank", "edges": [0.0], "low": [3.0, 9.0], "middle": [20.0, 40.0], "high": [50.0, 99.0]}
AMOUNT = {"by": "size", "edges": [], "low": [0.7], "middle": [0.95], "high": [1.1]}
TABLES: dict[str, Any] = {"calibration": LINE, "interval": ODDS, "days": DAYS, "amount": AMOUNT}
FILES = {"logistic": models.logistic(X, Y), "xgboost": models.xgboost(X, Y), "lightgbm": models.lightgbm(X, Y)}
ALGORITHMS = [*FILES, "ensemble"]


def bundle(algorithm: str = "xgboost", **more: Any) -> bytes:
    if algorithm == "ensemble":
        return models.ensemble(FILES, [0.4, 0.4, 0.2], -0.1, **{**TABLES, **more})
    return pack(models.meta(algorithm, **{**TABLES, **more}), FILES[algorithm])


def served(algorithm: str = "xgboost", **more: Any) -> Served:
    return Served(bundle(algorithm, **more), basis="tenant", version="3")


def question(row: Any, **more: Any) -> Question:
    values = {n: None if math.isnan(v) else float(v) for n, v in zip(models.NAMES, row, strict=True)}
    return Question({**values, **more})


ROWS = [question(row) for row in X[:50]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_prediction_is_within_its_intervals(algorithm: str) -> None:
    found = served(algorithm).predict(ROWS)
    assert len(found) == 50
    for told, row in zip(found, ROWS, strict=True):
        assert 0 < told.low < told.probability < told.high < 1
        assert (told.days_low, told.days_to_close) == ((9, 40) if (row.features["rank"] or 0) >= 0 else (3, 20))
        assert (told.amount_low, told.amount, told.amount_high) == (0.7, 0.95, 1.1)
        assert (told.model, told.version, told.basis, told.context) == (algorithm, "3", "tenant", "forecast")
    assert np.std([told.probability for told in found]) > 0.05


@pytest.mark.parametrize("calibration", [LINE, BENT, {**BENT, "kind": "temperature", "curve": [1.3]}])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_reasons_add_up_to_the_odds(algorithm: str, calibration: dict[str, Any]) -> None:
    """From the calibrated log-odds of the base, which is the same for every row."""
    opened = unpack(bundle(algorithm))
    shares = open_scorer(opened).contributions(Inputs(X[:50]))
    start = float(Calibration.from_json(calibration).log_odds(shares[0, -1]))
    for told, row, share in zip(served(algorithm, calibration=calibration).predict(ROWS), ROWS, shares, strict=True):
        log_odds = math.log(told.probability / (1 - told.probability))
        assert log_odds == pytest.approx(float(Calibration.from_json(calibration).log_odds(share.sum())), abs=1e-4)
        assert sum(r.impact for r in told.reasons) == pytest.approx(log_odds - start, abs=5e-3)
        assert {reason.feature: reason.value for reason in told.reasons} == row.features
        sizes = [abs(reason.impact) for reason in told.reasons]
        assert sizes == sorted(sizes, reverse=True)


def test_many_rows_are_answered_as_one_by_one() -> None:
    opened = served()
    assert opened.predict(ROWS) == [opened.predict([row])[0] for row in ROWS]
    assert opened.predict([]) == []


@given(row=st.dictionaries(st.sampled_from(models.NAMES), st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_what_lies_outside_of_the_range_is_named(row: dict[str, float | None]) -> None:
    [told] = served().predict([Question(row)])
    beyond = {name for name, value in row.items() if value is not None and not -10 <= value <= 10}
    assert set(told.outside) == beyond


def test_what_must_not_be_missing_is_named() -> None:
    features = [{**f.model_dump(), "may_be_missing": f.name != "age"} for f in models.meta("xgboost").features]
    opened = served(features=features)
    assert opened.predict([Question({"size": 1.0})])[0].outside == ("age",)


def test_unknown_features_are_named_with_their_place() -> None:
    with pytest.raises(Invalid) as refused:
        served().check([ROWS[0], Question({"size": 1.0, "shoe_size": 44.0, "hat": None})])
    assert [p.field for p in refused.value.problems] == ["body.rows.1.features.hat", "body.rows.1.features.shoe_size"]
    assert "hat, shoe_size" in refused.value.detail


BROKEN: dict[str, dict[str, Any]] = {
    "no calibration": {"calibration": {}},
    "a calibration of rubbish": {"calibration": {**LINE, "curve": [1.0]}},
    "bands by what is not there": {"days": {**DAYS, "by": "shoe_size"}},
    "bands upside down": {"days": {**DAYS, "low": [60.0, 99.0]}},
    "no evidence": {"interval": {**ODDS, "evidence": [0.0, 1.0, 1.0]}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_tables_that_cannot_be_used_are_refused(case: str) -> None:
    with pytest.raises(BadAnswer, match="Train it again"):
        served(**BROKEN[case])


def test_a_model_of_other_features_is_refused() -> None:
    with pytest.raises(BadAnswer, match="other features"):
        Served(bundle(), basis="tenant", version="1", known=frozenset(models.NAMES[1:]))


def test_without_tables_everything_is_possible() -> None:
    [told] = served(interval={}, days={}, amount={}).predict(ROWS[:1])
    assert (told.low, told.high) == (0, 1)
    assert (told.days_low, told.days_to_close, told.days_high) == (7, 60, 180)
    assert (told.amount_low, told.amount, told.amount_high) == (1, 1, 1)


def test_a_sequence_has_its_reason() -> None:
    names = ("a", "b")
    back = models.sequences(8, features=2)
    raw = pack(models.meta("lstm", names, calibration=LINE), models.lstm(features=2, background=back))
    opened = Served(raw, basis="global", version="1")
    told, other = opened.predict([
        Question({"a": 1.0, "b": 0.5}, events=((1.0, 0.0, -1.0), (0.5, 2.0, 1.0))), Question({"a": 1.0, "b": 0.5}),
    ])  # fmt: skip
    assert {reason.feature for reason in told.reasons} == {"a", "b", EVENTS}
    assert told.probability != other.probability


# ── what could be done ───────────────────────────────────────────────────────────────────────────────────────────────

DEAL = ("meetings", "activities_14d", "unanswered_objections", "next_step", "stage", "days_since_contact")


def logistic(weights: list[float], *, context: str = "forecast", high: float = 10) -> Served:
    """A model of these weights over `DEAL`."""
    one = np.ones(len(DEAL))
    files = {"weights.npz": models.npz(fill=0 * one, mean=0 * one, scale=one, coef=np.array(weights), intercept=[0.0])}
    features = [{"name": name, "low": 0, "high": high} for name in DEAL]
    meta = models.meta("logistic", features=features, calibration=LINE, context=context)
    return Served(pack(meta, files), basis="tenant", version="1")


STALLED = Question(
    {"meetings": 1.0, "activities_14d": 0.0, "unanswered_objections": 2.0, "next_step": 0.0, "stage": 2.0,
     "days_since_contact": 9.0}
)  # fmt: skip


def advice(model: Served, row: Question = STALLED) -> Prediction:
    return model.predict([row], advise=True)[0]


def test_advice_is_what_raises_the_odds_most_first() -> None:
    told = advice(logistic([0.3, 0.0, -0.5, 0.4, 0.0, 0.0]))
    names = ["answer_objections", "two_meetings", "agree_next_step", "meeting"]
    assert [what.action for what in told.what_ifs] == names
    assert all(what.probability > told.probability for what in told.what_ifs)
    gained = {what.action: what.probability for what in told.what_ifs}
    margin = 0.3 * 1 - 0.5 * 2 + 0.4 * 0
    assert gained["meeting"] == pytest.approx(1 / (1 + math.exp(-(0.8 * (margin + 0.3) + 0.2))))


def test_what_a_model_thinks_bad_is_no_advice() -> None:
    assert advice(logistic([-0.3, 0.0, 0.5, -0.4, -0.1, 0.1])).what_ifs == ()


def test_of_a_risk_the_fall_is_the_gain() -> None:
    told = advice(logistic([-0.3, 0.0, 0.5, -0.4, 0.0, 0.0], context="risk"))
    assert told.what_ifs[0].action == "answer_objections"
    assert all(what.probability < told.probability for what in told.what_ifs)


def test_no_advice_leads_beyond_what_the_model_knows() -> None:
    names = {what.action for what in advice(logistic([0.3, 0.0, 0.0, 0.0, 0.5, 0.0], high=2)).what_ifs}
    assert names == {"meeting"}  # a second one, and another stage, were never seen


def test_what_is_done_already_is_no_advice() -> None:
    row = Question({**STALLED.features, "unanswered_objections": 0.0, "next_step": 1.0})
    found = {what.action for what in advice(logistic([0.0, 0.0, -0.5, 0.4, 0.0, 0.0]), row).what_ifs}
    assert found == set()


@given(
    weights=st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    values=st.lists(st.integers(0, 4), min_size=6, max_size=6),
)
@settings(max_examples=80, deadline=None)
def test_advice_is_sane(weights: list[float], values: list[int]) -> None:
    """It helps, it is ordered, and more of a thing is never worth less than a little of it."""
    told = advice(logistic(weights), Question(dict(zip(DEAL, map(float, values), strict=True))))
    gains = [what.probability for what in told.what_ifs]
    assert gains == sorted(gains, reverse=True)
    assert all(gain >= told.probability + what_if.LEAST_GAIN for gain in gains)
    by_name = {what.action: what.probability for what in told.what_ifs}
    if {"meeting", "two_meetings"} <= by_name.keys():
        assert by_name["two_meetings"] >= by_name["meeting"]
