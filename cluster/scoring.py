"""Batch scoring on Ray Data: a file of rows, or all open deals, in; Parquet and the log of predictions out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core import bootstrap
from core.datascience.predictions.batch import BatchScorer
from core.datascience.predictions.log import PredictionLog
from core.kit.clock import SystemClock
from core.kit.errors import BadInput, NotFound
from core.settings import Settings

if TYPE_CHECKING:
    from ray.data import Dataset

PAGE = 500
BLOCKS = 4
"""Of the input, for each worker."""
BATCH = 4096
"""Rows that a worker takes at once."""
SMALL_BYTES = 256 << 20
"""Of a file that is read at once."""
Make = Callable[[], BatchScorer]


@dataclass(frozen=True, slots=True)
class Job:
    """What is scored. `source`: a Parquet or CSV file whose columns are features, with `segment` and `deal_id` where it
    has them; None: the tenant's open deals."""

    tenant_id: UUID
    out: Path
    source: Path | None = None
    context: str = "forecast"
    reasons: int = 3
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Scored:
    rows: int
    files: int


def score(settings: Settings, job: Job) -> Scored:
    """Ray must be running or is started locally. Raises `NotFound`, `BadInput`."""
    rows = _read(settings, job)
    return run(rows, job, lambda: scorer(settings, job))


def run(rows: Dataset, job: Job, make: Make) -> Scored:
    """Workers hold their models from batch to batch."""
    import pyarrow.parquet as parquet

    if job.out.exists() and any(job.out.iterdir()):
        raise BadInput(f"{job.out} holds files already. Name a folder that is empty or not there.")
    answered = rows.map_batches(
        Worker, fn_constructor_args=(make, str(job.tenant_id)), batch_size=BATCH, batch_format="numpy",
        concurrency=job.workers, num_cpus=0.5,
    )  # fmt: skip
    answered.write_parquet(str(job.out.resolve()))
    files = sorted(job.out.glob("*.parquet"))
    return Scored(sum(parquet.ParquetFile(file).metadata.num_rows for file in files), len(files))


def scorer(settings: Settings, job: Job) -> BatchScorer:
    """One of a worker's own."""
    engine = bootstrap.predictor(settings)
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    return BatchScorer(engine, SystemClock(), context=job.context, reasons=job.reasons, log=PredictionLog(db))


class Worker:
    """Answers batch after batch of one tenant's rows."""

    def __init__(self, make: Make, tenant_id: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._scorer = make()
        self._tenant_id = tenant_id

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        rows = len(next(iter(batch.values())))
        return self._loop.run_until_complete(self._scorer.score({**batch, "tenant_id": np.full(rows, self._tenant_id)}))


def _read(settings: Settings, job: Job) -> Dataset:
    import pyarrow as pa
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    if job.source is not None:
        return opened(job.source, job.workers)
    rows = asyncio.run(_open_deals(settings, job.tenant_id))
    if not rows:
        raise NotFound("This tenant has no open deals.")
    return _blocks(pa.Table.from_pylist(rows), job.workers)


def opened(source: Path, workers: int) -> Dataset:
    """A Parquet or CSV file, in blocks that workers can share. A small one is read here: for it, processes that list,
    read and part it take longer to begin than the work. Raises `NotFound`, `BadInput`."""
    import pyarrow.csv
    import pyarrow.parquet
    import ray.data

    if not source.exists():
        raise NotFound(f"There is no file {source}.")
    if source.suffix not in (".parquet", ".csv"):
        raise BadInput(f"{source.name}: a Parquet or CSV file is wanted, named .parquet or .csv.")
    if source.stat().st_size <= SMALL_BYTES:
        here = pyarrow.parquet.read_table if source.suffix == ".parquet" else pyarrow.csv.read_csv
        table = here(str(source))
        if not table.num_rows:
            raise BadInput(f"{source.name} holds no rows.")
        return _blocks(table, workers)
    reader = ray.data.read_parquet if source.suffix == ".parquet" else ray.data.read_csv
    return reader(str(source.resolve())).repartition(BLOCKS * workers)


def _blocks(table: Any, workers: int) -> Dataset:
    import ray.data

    size = -(-table.num_rows // (BLOCKS * workers))
    return ray.data.from_arrow([table.slice(at, size).combine_chunks() for at in range(0, table.num_rows, size)])


async def _open_deals(settings: Settings, tenant_id: UUID) -> list[dict[str, Any]]:
    from core.deals import repository as deals

    db = bootstrap.database(settings, bootstrap.database_url(settings))
    found: list[dict[str, Any]] = []
    try:
        async with db.tenant(tenant_id) as tx:
            ids = [deal.id for deal in await deals.open_deals(tx)]
            for at in range(0, len(ids), PAGE):
                for question in await bootstrap.deal_inputs(tx, ids[at : at + PAGE]):
                    about = {"deal_id": str(question.deal_id), "segment": question.segment or ""}
                    values = {n: float("nan") if v is None else float(v) for n, v in question.features.items()}
                    found.append({**about, **values})
    finally:
        await db.close()
    return found
