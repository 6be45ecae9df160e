"""Ray Train: one fit shared out among two workers, of which one dies; it goes on from the last checkpoint."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.datascience.models.calibration import sigmoid
from tests.e2e.house import House, wait
from training import fitting, recipes
from training.algorithms import ALGORITHMS, Table
from training.recipes import Workers
from training.run import Run

pytestmark = pytest.mark.cluster
NAMES = ("a", "b", "c")


def table(rows: int, seed: int) -> Table:
    """What matters stands in the columns, and once more in the one event of each row."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(NAMES))).astype(np.float32)
    won = (rng.uniform(size=rows) < sigmoid(2 * x[:, 0] + x[:, 1])).astype(float)
    return Table(
        x, won, np.ones(rows), np.arange(rows, dtype=float), NAMES, events=x[:, None, :],
        lengths=np.ones(rows, np.int64),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "changed", "steps"),
    [
        ("xgboost", {"rounds": 400, "checkpoint_every_rounds": 20}, range(20, 401, 20)),
        ("lstm", {"epochs": 30, "checkpoint_every_epochs": 2, "hidden": 8}, range(2, 31, 2)),
    ],
)
def test_a_killed_worker_is_followed_by_one_that_goes_on(
    house: House, tmp_path: Path, algorithm: str, changed: dict[str, Any], steps: range
) -> None:
    recipe = recipes.forecasting().model_copy(update={"workers": Workers(count=2, cpus=0.1, from_rows=1_000)})
    run, how, learnt = Run(tmp_path, on_ray=True), recipes.of(algorithm).changed(changed), table(3_000, seed=1)
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(fitting.fit, "last", learnt, how, recipe, run)
        wait(lambda: len(reported(tmp_path)) > 0 or fit.done())
        workers = house.processes("ray::RayTrainWorker")
        before = len(reported(tmp_path))
        assert (len(workers), fit.done()) == (2, False)
        os.kill(workers[-1].pid, signal.SIGKILL)
        fitted = fit.result(timeout=200)
    assert 0 < before < len(steps)
    assert reported(tmp_path) == list(steps)  # each once: nothing was done again
    new = table(1_000, seed=2)
    assert roc_auc_score(new.y, ALGORITHMS[algorithm].margins(fitted, new)) > 0.85


def reported(job: Path) -> list[int]:
    """How far the workers were at each checkpoint, as Ray Train keeps it."""
    kept = job / "ray" / "last" / "checkpoint_manager_snapshot.json"
    try:
        told = json.loads(kept.read_text("utf-8"))["checkpoint_results"]
    except (OSError, ValueError):
        return []
    return [next(iter(checkpoint["metrics"].values())) for checkpoint in told]
