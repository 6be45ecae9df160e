"""The history in Parquet: one file a tenant, set and month, made out of PostgreSQL by a job and read by training.

`features/<tenant>/<set>/v<version>/<month>.parquet`, beside a manifest that says what each file was made of. A month
that was written to since is made anew, so the files can always be thrown away; erasing somebody does.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.datascience.features import repository
from core.datascience.features.kinds import NUMBERS, Feature, FeatureSet, Kind
from core.datascience.features.model import FeatureRow
from core.datascience.features.repository import Month
from core.datascience.features.table import Table, joined
from core.kit.db import Tx
from core.kit.errors import Conflict, NotFound
from core.ports import ObjectStore

if TYPE_CHECKING:
    import pyarrow

_TIMES = ("event_at", "written_at", "known_at")
_LINEAGE = ("cause_type", "module", "code")


def folder(tenant_id: UUID, feature_set: str, version: int) -> str:
    return f"features/{tenant_id}/{feature_set}/v{version}"


def file_key(tenant_id: UUID, month: Month) -> str:
    return f"{folder(tenant_id, month.feature_set, month.version)}/{month.first.isoformat()[:7]}.parquet"


async def archive(tx: Tx, feature_set: FeatureSet, objects: ObjectStore) -> int:
    """Bring the files of one set up to date; returns how many were made anew or taken away. While it runs nobody is
    erased, so no file holds who was."""
    await repository.lock_history(tx)
    place = folder(tx.tenant_id, feature_set.name, feature_set.version)
    known = await _manifest(objects, place)
    there = {month.first.isoformat()[:7]: month for month in await repository.months(tx, feature_set)}
    changed = [
        name
        for name, month in there.items()
        if known.get(name) != month.made_of or not await objects.exists(f"{place}/{name}.parquet")
    ]
    gone = [name for name in known if name not in there]
    for name in changed:
        rows = await repository.of_month(tx, there[name])
        await objects.put(f"{place}/{name}.parquet", await asyncio.to_thread(to_parquet, feature_set, rows))
    for name in gone:
        await objects.delete(f"{place}/{name}.parquet")
    if changed or gone:
        manifest = {name: month.made_of for name, month in sorted(there.items())}
        await objects.put(f"{place}/manifest.json", json.dumps(manifest, indent=1).encode())
    return len(changed) + len(gone)


async def load(
    objects: ObjectStore, tenant_id: UUID, feature_set: FeatureSet, *, since: date | None = None,
    until: date | None = None,
) -> Table:  # fmt: skip
    """The months from `since` to `until`, both in it. Raises `Conflict` where a file has to be made first."""
    place = folder(tenant_id, feature_set.name, feature_set.version)
    first, last = (at.isoformat()[:7] if at else None for at in (since, until))
    tables = []
    for name in sorted(await _manifest(objects, place)):
        if (first is None or first <= name) and (last is None or name <= last):
            try:
                raw = await objects.get(f"{place}/{name}.parquet")
            except NotFound:
                raise Conflict("Files of the history were taken away. Run `salesedge features archive`.") from None
            tables.append(await asyncio.to_thread(from_parquet, feature_set, raw))
    return joined(tables, feature_set)


async def _manifest(objects: ObjectStore, place: str) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(await objects.get(f"{place}/manifest.json"))
    except NotFound:
        return {}
    return found


def to_parquet(feature_set: FeatureSet, rows: Sequence[FeatureRow]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    times = pa.timestamp("us", "UTC")
    columns: dict[str, Any] = {
        "entity_id": pa.array([row.entity_id.bytes for row in rows], pa.binary(16)),
        **{name: pa.array([getattr(row, name) for row in rows], times) for name in _TIMES},
        "cause": pa.array([row.cause.bytes if row.cause else None for row in rows], pa.binary(16)),
        **{name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in _LINEAGE},
    }
    for feature in feature_set.features:
        values = [row.values.get(feature.name) for row in rows]
        columns[f"f_{feature.name}"] = pa.array(_plain(feature, values), _type(feature))
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()


def from_parquet(feature_set: FeatureSet, raw: bytes) -> Table:
    """A feature that came to its set later is not known in older files."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = pq.read_table(io.BytesIO(raw))
    names, count = set(read.column_names), read.num_rows
    missing = pa.nulls(count)

    def column(feature: Feature) -> pyarrow.Array | pyarrow.ChunkedArray:
        return read.column(f"f_{feature.name}") if f"f_{feature.name}" in names else missing

    numbers = [
        column(f).cast(pa.float64()).to_numpy(zero_copy_only=False) if count else np.zeros(0)
        for f in feature_set.features
        if f.kind in NUMBERS
    ]
    others = {f.name: _back(f, column(f).to_pylist()) for f in feature_set.features if f.kind not in NUMBERS}
    times = [read.column(name).cast(pa.int64()).to_numpy() for name in ("event_at", "known_at")]
    return Table(
        feature_set, read.column("entity_id").to_pylist(), times[0], times[1],
        np.array(numbers, np.float64).reshape(len(numbers), count).T, others,
    )  # fmt: skip


def _type(feature: Feature) -> Any:
    import pyarrow as pa

    if feature.kind in NUMBERS:
        return pa.float64()
    if feature.kind is Kind.VECTOR:
        return pa.list_(pa.float64())
    return pa.map_(pa.string(), pa.float64()) if feature.kind is Kind.TEXT else pa.string()


def _plain(feature: Feature, values: Sequence[Any]) -> list[Any]:
    if feature.kind is Kind.TEXT:
        return [None if value is None else sorted(value.items()) for value in values]
    return list(values)


def _back(feature: Feature, values: Sequence[Any]) -> list[Any]:
    if feature.kind is Kind.TEXT:
        return [None if value is None else dict(value) for value in values]
    return list(values)
