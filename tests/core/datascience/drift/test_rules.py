"""What is over a limit, and what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.datascience.drift.measures import Shift
from core.datascience.drift.rules import Finding, Limits, action, findings, realised

CALM = Shift(psi=0.02, psi_by_chance=0.08, ks=0.04, ks_p=0.6, missing=0.1, missing_before=0.1, rows=400)
BEFORE = {"auc": 0.80, "brier": 0.18, "ece": 0.03}


def moved(**changed: Any) -> Shift:
    given = {name: getattr(CALM, name) for name in Shift.__slots__} | changed
    return Shift(**given)


def outcomes(deals: int, seed: int = 1, *, bend: float = 1.0, blur: float = 0.0) -> Any:
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 1.3, deals)
    won = (rng.random(deals) < truth).astype(float)
    said = np.clip(truth**bend, 0.01, 0.99)
    if blur:
        said = (1 - blur) * said + blur * rng.random(deals)
    return np.repeat(won, 2), np.repeat(said, 2), np.repeat(np.arange(deals), 2)


def test_calm_inputs_and_true_odds_find_nothing() -> None:
    seen = realised(*outcomes(300))
    assert findings({"days_open": CALM}, CALM, seen, {**BEFORE, **seen.metrics}, Limits()) == []
    assert action([]) is None


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"psi": 0.3}, True), ({"psi": 0.3, "psi_by_chance": 0.35}, False), ({"psi": 0.3, "rows": 99}, False),
        ({"ks": 0.3, "ks_p": 1e-6}, True), ({"ks": 0.3, "ks_p": 0.02}, False), ({"psi": 0.25}, False),
    ],
)  # fmt: skip
def test_an_input_is_over_its_limit_and_over_chance(changed: dict[str, Any], found: bool) -> None:
    inputs = {"days_open": moved(**changed), "stage": CALM}
    assert [f.feature for f in findings(inputs, None, None, BEFORE, Limits())] == ["days_open"] * found


def test_many_features_ask_for_more_evidence_each() -> None:
    one = moved(ks=0.3, ks_p=0.001)
    assert len(findings({"a": one}, None, None, BEFORE, Limits())) == 1
    assert findings({str(n): one for n in range(20)}, None, None, BEFORE, Limits()) == []


def test_odds_that_bend_ask_for_a_new_calibration_and_lost_order_for_a_new_model() -> None:
    bent = realised(*outcomes(400, bend=2.2))
    found = findings({}, None, bent, {"auc": bent.metrics["auc"], "brier": 0.18}, Limits())
    assert "ece" in {f.kind for f in found}
    assert action(found) == "recalibrate"
    blurred = realised(*outcomes(400, blur=0.9))
    found = findings({}, None, blurred, BEFORE, Limits())
    assert "auc" in {f.kind for f in found}
    assert action(found) == "retrain"


def test_few_deals_prove_nothing() -> None:
    few = realised(*outcomes(39, bend=3))
    assert findings({}, None, few, BEFORE, Limits()) == []
    assert findings({}, None, few, BEFORE, Limits(least_deals=30)) != []


def test_one_outcome_alone_has_no_auc() -> None:
    seen = realised(np.ones(100), np.full(100, 0.9), np.arange(100))
    assert "auc" not in seen.metrics
    assert "auc" not in {f.kind for f in findings({}, None, seen, BEFORE, Limits())}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [({"ece"}, "recalibrate"), ({"ece", "brier"}, "recalibrate"), ({"brier"}, "retrain"), ({"score"}, "retrain"),
     ({"ece", "input"}, "retrain"), ({"auc", "ece"}, "retrain")],
)  # fmt: skip
def test_what_is_to_be_done(kinds: set[str], expected: str) -> None:
    assert action([Finding(kind, 1.0, 0.5) for kind in kinds]) == expected
