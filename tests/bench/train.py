"""XGBoost on 200,000 rows of 40 features by Ray Train, from the call to the model, on a cluster that runs already;
beside it plain XGBoost, on one thread or as many as there are workers, whichever is quicker: on busy cores threads wait
for each other. And what the recipe chooses for that size. Same parameters and rounds."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import xgboost
from sklearn.metrics import roc_auc_score

from core.datascience.models.calibration import sigmoid
from tests.bench.harness import line
from training import fitting, recipes, workers
from training.algorithms import ALGORITHMS, Fitted, Table
from training.recipes import Workers
from training.run import Run

ROWS, FEATURES, WORKERS = 200_000, 40, 2


def run() -> None:
    learnt, new = table(ROWS, seed=1), table(20_000, seed=2)
    recipe, how = recipes.forecasting(), recipes.of("xgboost")
    ways = [(*_timed(functools.partial(_plain, learnt, how.how(), threads)), threads) for threads in (1, WORKERS)]
    plain_s, plain, threads = min(ways, key=lambda way: way[0])
    own_s, own = _timed(lambda: fitting.fit("own", learnt, how, recipe, Run(on_ray=True)))
    ray.init(
        address="local", _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=WORKERS + 1,
        object_store_memory=400 << 20, log_to_driver=False,
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory(prefix="salesedge-bench-") as at:
            shared_s, shared = _timed(
                lambda: workers.fit("xgboost", learnt, how.how(), Workers(count=WORKERS), folder=Path(at))
            )
    finally:
        ray.shutdown()
    found = [float(roc_auc_score(new.y, ALGORITHMS["xgboost"].margins(fitted, new))) for fitted in (plain, own, shared)]
    assert max(found) - min(found) < 0.01, found
    peer = f"plain XGBoost, threads: {threads}"
    line("train", "seconds", shared_s, "s", peer, plain_s, more_is_better=False)
    line("train", "seconds_as_chosen", own_s, "s", peer, plain_s, more_is_better=False)


def table(rows: int, seed: int) -> Table:
    """A tenth of the features matter, some together; a tenth of all values is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    margin = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] ** 2 - 1
    won = (rng.uniform(size=rows) < sigmoid(margin)).astype(float)
    x[rng.uniform(size=x.shape) < 0.1] = np.nan
    names = tuple(f"f{number}" for number in range(FEATURES))
    return Table(x, won, np.ones(rows), np.arange(rows, dtype=float), names)


def _plain(learnt: Table, how: dict[str, Any], threads: int) -> Fitted:
    data = xgboost.DMatrix(learnt.x, learnt.y, feature_names=list(learnt.names), nthread=threads)
    booster = xgboost.train({**how["booster"], "nthread": threads}, data, how["rounds"])
    return Fitted("xgboost", {"model.ubj": bytes(booster.save_raw("ubj"))})


def _timed(fit: Callable[[], Fitted]) -> tuple[float, Fitted]:
    begun = time.perf_counter()
    fitted = fit()
    return time.perf_counter() - begun, fitted
