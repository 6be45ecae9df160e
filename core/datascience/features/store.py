"""Write features with what they follow from, and read the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from core.datascience.features import repository
from core.datascience.features.kinds import checked
from core.datascience.features.row import Given, Key, Stored, fill
from core.kit.db import Tx
from core.kit.ids import new_id


class FeatureStore:
    """The one door to features."""

    def __init__(self) -> None:
        self._code = _code()

    async def write(self, tx: Tx, rows: Sequence[Given]) -> int:
        """Those that say something new; returns how many. What is there already is not written again, so a repeated
        call changes nothing; other values at the same moment are a correction, a row of their own."""
        rows = [_whole(row) for row in rows]
        if not rows:
            return 0
        await repository.lock(tx, {row.key for row in rows})
        found = await repository.before(tx, rows)
        fresh = [
            row
            for row, there in zip(rows, found, strict=True)
            if there.same is None or fill(row.feature_set, there.same) != row.values
        ]
        if fresh:
            await repository.add(tx, [self._row(tx, row) for row in fresh])
        return len(fresh)

    async def newest(self, tx: Tx, keys: Sequence[Key]) -> list[Stored | None]:
        """From PostgreSQL, as this transaction sees it."""
        return await repository.newest(tx, keys)

    def _row(self, tx: Tx, row: Given) -> dict[str, object]:
        now = tx.clock.now()
        what = row.feature_set
        return {
            "id": new_id(), "tenant_id": tx.tenant_id, "entity": what.entity.value, "entity_id": row.entity_id,
            "feature_set": what.name, "version": what.version, "event_at": row.at, "written_at": now,
            "known_at": row.known_at or now, "cause": row.cause, "cause_type": row.cause_type, "module": what.module,
            "code": self._code, "values": dict(row.values),
        }  # fmt: skip


def _whole(row: Given) -> Given:
    values = checked(row.feature_set, row.values)
    return Given(row.feature_set, row.entity_id, row.at, values, row.cause, row.cause_type, row.known_at)


def _code() -> str:
    try:
        return metadata.version("salesedge")
    except metadata.PackageNotFoundError:
        return "0"
