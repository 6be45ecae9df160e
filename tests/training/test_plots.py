"""Pictures of what a model did with the rows that only measured."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime

import matplotlib.image
import numpy as np
import pytest

from training import recipes
from training.forecasting import Report, train
from training.plots import pictures
from training.simulated_pipeline import simulate

NAMES = {"confusion", "roc", "precision_recall", "calibration", "shap"}
FROM_EVIDENCE = NAMES - {"shap"}


@pytest.fixture(scope="module")
def report() -> Report:
    deals = simulate(deals=420, until=datetime(2026, 11, 1, tzinfo=UTC), seed=5)
    return train([deal.history for deal in deals], how=recipes.of("xgboost").changed({"rounds": 20}))


@pytest.fixture(scope="module")
def drawn(report: Report) -> dict[str, bytes]:
    return pictures(report)


def test_each_is_a_picture_with_something_on_it(drawn: dict[str, bytes]) -> None:
    assert drawn.keys() == {f"plots/{name}.png" for name in NAMES}
    for raw in drawn.values():
        assert raw.startswith(b"\x89PNG")
        pixels = matplotlib.image.imread(io.BytesIO(raw), format="png")
        assert min(pixels.shape[:2]) >= 400
        assert 0.01 < float((pixels[..., :3].min(axis=2) < 0.9).mean()) < 0.9


def test_they_are_drawn_from_the_evidence_and_the_bundle(report: Report, drawn: dict[str, bytes]) -> None:
    assert pictures(report) == drawn
    evidence = dataclasses.replace(report.held_out.evidence, said=1 - report.held_out.evidence.said)
    turned = pictures(dataclasses.replace(report, held_out=dataclasses.replace(report.held_out, evidence=evidence)))
    assert {name for name in drawn if turned[name] != drawn[name]} == {f"plots/{name}.png" for name in FROM_EVIDENCE}
    inputs = dataclasses.replace(report.held_out.inputs, x=np.zeros_like(report.held_out.inputs.x))
    blank = pictures(dataclasses.replace(report, held_out=dataclasses.replace(report.held_out, inputs=inputs)))
    assert {name for name in drawn if blank[name] != drawn[name]} == {"plots/shap.png"}
