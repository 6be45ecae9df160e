"""A calibration drawn by newer outcomes: better where odds bent, honest about what it saw, never without outcomes."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.datascience.drift.recalibrate import redraw, said_by
from core.datascience.drift.repository import Outcome
from core.datascience.models import gate
from core.datascience.models.bundle import Meta, pack, unpack
from core.datascience.models.calibration import Calibration
from core.datascience.models.gate import Candidate, Cost, HeldOut
from core.datascience.models.model import ModelVersion
from core.kit.errors import Conflict
from core.kit.ids import new_id
from tests.conftest import NOW
from tests.core.datascience.drift.made import bundle


def model(slope: float) -> bytes:
    """Its odds are `slope` times too steep for the world of `closed`."""
    plain = unpack(bundle())
    meta: Meta = plain.meta.model_copy(update={"calibration": Calibration("platt", (slope, 0.0)).to_json()})
    return pack(meta, plain.files)


def closed(deals: int, seed: int = 1, lift: float = 0.0) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    found: list[Outcome] = []
    for number in range(deals):
        features = {"days_open": float(rng.gamma(4, 10)), "meetings": float(rng.poisson(2))}
        margin = -0.5 * (features["days_open"] - 40) / 20 + 0.8 * (features["meetings"] - 2) / 1.4 - 0.4
        won = bool(rng.random() < 1 / (1 + np.exp(-(margin + lift))))
        end = NOW - timedelta(days=60) + timedelta(days=60 * number / deals)
        deal, told = new_id(), {"features": features}
        found += [Outcome(deal, end - timedelta(days=7 * week), 0.5, won, end, told) for week in (2, 1)]
    return found


def row(**changed: Any) -> ModelVersion:
    given: dict[str, Any] = {
        "context": "forecast", "algorithm": "logistic", "deals": 600, "fingerprint": "f00d", "inputs": [],
        "baseline": {}, "parameters": {}, "leaks": [], "importance": {}, "code": "0", "version": 3,
    }  # fmt: skip
    return ModelVersion(**given | changed)


def test_odds_that_bent_pass_the_gate_when_they_are_drawn_anew() -> None:
    raw = model(3.0)
    redrawn = redraw(row(), raw, closed(500, lift=-1.0))
    evidence = redrawn.trained.evidence
    rows = HeldOut(evidence.won, evidence.deal, redrawn.base_rate)
    candidate = Candidate(evidence.said, 600, Cost(1, 1))
    assert gate.decide(candidate, said_by(raw, redrawn.newer), rows).passed
    told = Calibration.from_json(unpack(redrawn.trained.bundle).meta.calibration)
    assert told.slope < 0.7
    assert said_by(redrawn.trained.bundle, redrawn.newer) == pytest.approx(evidence.said)


def test_odds_that_are_right_stay_about_where_they_are_and_do_not_pass() -> None:
    raw = model(1.0)
    redrawn = redraw(row(), raw, closed(500))
    evidence = redrawn.trained.evidence
    before = said_by(raw, redrawn.newer)
    assert np.abs(evidence.said - before).max() < 0.1
    rows = HeldOut(evidence.won, evidence.deal, redrawn.base_rate)
    assert not gate.decide(Candidate(evidence.said, 600, Cost(1, 1)), before, rows).passed


def test_what_measures_was_never_learnt_from() -> None:
    raw, given = model(2.0), closed(200)
    redrawn = redraw(row(), raw, given)
    end: datetime | None = redrawn.trained.learnt_until
    assert end is not None
    assert all(outcome.closed_at > end for outcome in redrawn.newer)
    newest = {outcome.deal_id for outcome in redrawn.newer}
    turned = [dataclasses.replace(o, won=o.won != (o.deal_id in newest)) for o in given]
    other = redraw(row(), raw, turned)
    assert unpack(other.trained.bundle).meta.calibration == unpack(redrawn.trained.bundle).meta.calibration
    assert unpack(other.trained.bundle).files == unpack(raw).files


def test_few_outcomes_draw_nothing() -> None:
    with pytest.raises(Conflict, match="59 deals have closed"):
        redraw(row(), model(1.0), closed(59))
