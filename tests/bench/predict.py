"""One prediction with its reasons, against XGBoost's own contributions for the same row."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from core.forecasting.engine import ForecastEngine
from core.forecasting.features import NAMES, build
from tests.bench.harness import line, quantile
from training.forecasting import train
from training.simulated_pipeline import simulate

TIMES = 500


def run() -> None:
    import xgboost

    until = datetime(2026, 11, 1, tzinfo=UTC)
    deals = simulate(until=until)
    report = train([deal.history for deal in deals], on_ray=False)
    row = build(next(deal.history for deal in deals if deal.history.won is None), until)
    engine = ForecastEngine(report.bundle, basis="tenant", version="1")
    booster = xgboost.Booster({"nthread": 1})
    with zipfile.ZipFile(io.BytesIO(report.bundle)) as file:
        booster.load_model(bytearray(file.read("model.ubj")))
    values = np.array([[np.nan if (v := row[name]) is None else v for name in NAMES]], np.float32)

    def raw() -> None:
        booster.predict(xgboost.DMatrix(values, feature_names=list(NAMES), nthread=1), pred_contribs=True)

    ours, peer = [], []
    for _ in range(TIMES):
        ours.append(_timed(lambda: engine.predict([row])))
        peer.append(_timed(raw))
    line(
        "predict", "p50_ms", quantile(ours, 0.5), "ms", "xgboost pred_contribs", quantile(peer, 0.5),
        more_is_better=False,
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3
