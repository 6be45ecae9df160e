"""Rows scored per second by the batch job on Ray Data, from Parquet to Parquet, reasons included, against a loop over
`predict` of the same model in one process, and against a loop over XGBoost and shap."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np

from core.datascience.models.pointers import CHAMPION, Pointer, Scope, bundle_key, pointer_key
from core.datascience.predictions.batch import BatchScorer
from core.datascience.predictions.engine import PredictionEngine
from core.datascience.predictions.served import Served
from core.forecasting.features import NAMES
from core.gateways.objects import open_objects
from core.kit.clock import SystemClock
from core.ports import Question
from core.settings import ObjectSettings
from tests.bench.harness import line
from tests.bench.predict_engine import booster, explained, fitted

ROWS = 200_000
LOOP = 2_000
WORKERS = 2


def run() -> None:
    made = fitted()
    rng = np.random.default_rng(5)
    rows = np.repeat(made.values, ROWS, axis=0)
    rows = np.where(rng.random(rows.shape) < 0.5, rows * rng.uniform(0, 2, rows.shape), rows).astype(np.float32)
    served, peer = Served(made.bundle, basis="tenant", version="1"), explained(booster(made.bundle))
    asked = [
        Question({n: None if v != v else v for n, v in zip(NAMES, row, strict=True)}) for row in rows[:LOOP].tolist()
    ]
    served.warm()
    begun = time.perf_counter()
    for question in asked:
        served.predict([question])
    loop_per_s = LOOP / (time.perf_counter() - begun)
    begun = time.perf_counter()
    for row in rows[:LOOP]:
        peer(row[None])
    shap_per_s = LOOP / (time.perf_counter() - begun)
    ours_per_s = _on_ray(made.bundle, rows)
    for name, theirs in (("a loop over predict", loop_per_s), ("a loop over xgboost + shap", shap_per_s)):
        line("batch_score", "per_s", ours_per_s, "1/s", name, theirs, more_is_better=True)


def _on_ray(bundle: bytes, rows: np.ndarray) -> float:  # type: ignore[type-arg]
    import asyncio

    import pyarrow as pa
    import pyarrow.parquet as parquet
    import ray

    from cluster.scoring import Job, opened, run

    with tempfile.TemporaryDirectory(prefix="salesedge-bench-") as at:
        tenant, url = uuid4(), f"file:{at}/objects"
        asyncio.run(_promote(url, tenant, bundle))
        source = Path(at) / "rows.parquet"
        parquet.write_table(pa.table(dict(zip(NAMES, rows.T, strict=True))), source, row_group_size=len(rows) // 16)
        ray.init(
            address="local", _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=WORKERS,
            object_store_memory=200 << 20, log_to_driver=False,
        )  # fmt: skip
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            job = Job(tenant, Path(at) / "out", workers=WORKERS)
            begun = time.perf_counter()
            done = run(opened(source, WORKERS), job, lambda: scorer(url))
            passed_s = time.perf_counter() - begun
        finally:
            ray.shutdown()
    assert done.rows == len(rows)
    return len(rows) / passed_s


async def _promote(url: str, tenant: UUID, bundle: bytes) -> None:
    objects, scope = open_objects(ObjectSettings(url=url)), Scope.of_tenant(tenant)
    key = bundle_key("forecast", scope, 1)
    await objects.put(key, bundle)
    pointer = Pointer(1, key, hashlib.sha256(bundle).hexdigest())
    await objects.put(pointer_key("forecast", scope, CHAMPION), pointer.to_json())


def scorer(url: str) -> BatchScorer:
    engine = PredictionEngine(open_objects(ObjectSettings(url=url)), base_rates=nothing, clock=SystemClock())
    return BatchScorer(engine, SystemClock(), context="forecast", reasons=3)


async def nothing(tenant_id: UUID) -> Mapping[str, int]:
    return {"won": 0, "lost": 0}
