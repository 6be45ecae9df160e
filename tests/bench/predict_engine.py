"""One prediction with its reasons inside of the engine, against XGBoost with shap's TreeExplainer on the same row, and
against XGBoost's own contributions alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.datascience.models.bundle import unpack
from core.datascience.predictions.served import Served
from core.forecasting.features import NAMES, build
from core.ports import Question
from tests.bench.harness import line, quantile
from training.forecasting import train
from training.simulated_pipeline import simulate

TIMES = 1000
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fitted:
    """A model of the simulated pipeline, and one deal that is open."""

    bundle: bytes
    row: dict[str, float | None]

    @property
    def values(self) -> Any:
        return np.array([[np.nan if (v := self.row[name]) is None else v for name in NAMES]], np.float32)


def fitted() -> Fitted:
    deals = simulate(until=UNTIL)
    report = train([deal.history for deal in deals])
    return Fitted(report.bundle, build(next(deal.history for deal in deals if deal.history.won is None), UNTIL))


def booster(bundle: bytes) -> Any:
    import xgboost

    loaded = xgboost.Booster({"nthread": 1})
    loaded.load_model(bytearray(unpack(bundle).files["model.ubj"]))
    loaded.feature_names = None
    return loaded


def explained(model: Any) -> Callable[[Any], tuple[float, list[tuple[float, str]]]]:
    """What a program that uses XGBoost and shap does for one row: the odds, and reasons in order."""
    import shap
    import xgboost

    explainer = shap.TreeExplainer(model)

    def predict(values: Any) -> tuple[float, list[tuple[float, str]]]:
        odds = float(model.predict(xgboost.DMatrix(values, nthread=1))[0])
        shares = explainer.shap_values(values)[0]
        return odds, sorted(zip(shares.tolist(), NAMES, strict=True), key=lambda pair: -abs(pair[0]))

    return predict


def run() -> None:
    import xgboost

    made = fitted()
    served, model, question = Served(made.bundle, basis="tenant", version="1"), booster(made.bundle), Question(made.row)
    served.warm()
    peer, values = explained(model), made.values
    ours, theirs, raw = [], [], []
    for turn in range(TIMES + 50):
        times = (
            _timed(lambda: served.predict([question])), _timed(lambda: peer(values)),
            _timed(lambda: model.predict(xgboost.DMatrix(values, nthread=1), pred_contribs=True)),
        )  # fmt: skip
        if turn >= 50:
            for kept, took in zip((ours, theirs, raw), times, strict=True):
                kept.append(took)
    for metric, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        mine = quantile(ours, share)
        line(
            "predict_engine", metric, mine, "ms", "xgboost + shap.TreeExplainer", quantile(theirs, share),
            more_is_better=False,
        )  # fmt: skip
        line(
            "predict_engine", metric, mine, "ms", "xgboost pred_contribs alone", quantile(raw, share),
            more_is_better=False,
        )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3
