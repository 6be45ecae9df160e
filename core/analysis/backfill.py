"""Features of calls that were analysed before: as the reactions would have written them. Safe to repeat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.analysis import remember
from core.datascience.features import repository as features
from core.datascience.features.definitions import CALL_TEXT
from core.datascience.features.row import Given
from core.datascience.features.store import FeatureStore
from core.kit.db import Tx
from core.ports import Embedder, ObjectStore
from core.settings import CallSettings


async def backfill(
    tx: Tx, call_ids: Sequence[UUID], store: FeatureStore, embedder: Embedder, objects: ObjectStore,
    settings: CallSettings, *, since: datetime | None = None, until: datetime | None = None,
) -> int:  # fmt: skip
    """Calls that were ready from `since` on and before `until`; returns how many rows were new."""
    rows: list[Given] = []
    for call_id in call_ids:
        for fact in await features.facts(tx, CALL_TEXT.sources, subject=call_id):
            if (since is None or since <= fact.at) and (until is None or fact.at < until):
                because = (fact.at, fact.id, fact.type)
                rows += await remember.of_call(tx, call_id, *because, embedder, known_at=fact.at)
                rows += await remember.of_voice(tx, call_id, *because, objects, settings, known_at=fact.at)
    return await store.write(tx, rows)
