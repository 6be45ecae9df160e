"""Forget one person everywhere: rows, what was said, recordings, copies, and his name where others wrote it.

All rows go in one transaction and objects last, so a crash undoes the first and the next try finds all of it again;
what is gone already is no error.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from core.datascience.features.store import FeatureStore
from core.kit.db import Tx
from core.ports import ObjectStore, Progress
from core.privacy import repository
from core.privacy.consent import tombstone
from core.privacy.person import Person
from core.privacy.register import MENTIONS, OF_A_DEAL, REGISTER, features_of
from core.privacy.retention import drop_copies


async def erase(tx: Tx, request_id: UUID, objects: ObjectStore, progress: Progress, features: FeatureStore) -> None:
    """Carry out a waiting request; it then tells how much was erased, and no longer of whom."""
    request = await repository.request(tx, request_id, "erasure", lock=True)
    if request.status not in ("waiting", "failed"):
        return
    who = await repository.person(tx, request, lock=True)
    calls = [holding for holding in REGISTER if holding.table == "calls"]
    recordings = [row["object_key"] for h in calls for row in await repository.rows(tx, h, who) if row["object_key"]]
    copies = await repository.live_copies(tx)
    forgotten = await features.forget(tx, features_of(who))
    counts = await _rows(tx, who)
    counts["feature_rows"] += forgotten
    salt = (await repository.settings(tx)).salt
    await repository.bury(tx, [tombstone(salt, email) for email in who.emails])
    for key in recordings:
        await objects.delete(key)
    # Whose copy holds whom cannot be told from outside: all go, and can be asked for again.
    await drop_copies(copies, objects)
    for call_id in who.call_ids:
        await progress.clear(call_id)
    counts.update(audio=len(recordings), copies=len(copies))
    request.counts, request.status, request.email = dict(+counts), "done", None
    request.done_at = tx.clock.now()
    tx.audit("privacy.erased", f"person_request:{request.id}", after={"counts": request.counts})


async def _rows(tx: Tx, who: Person) -> Counter[str]:
    counts: Counter[str] = Counter()
    for holding in REGISTER:
        counts[holding.table] += await repository.erase(tx, holding, who)
    for table, columns in MENTIONS.items():
        for column in columns.split():
            counts["mentions"] += await repository.strike_out(tx, table, column, who.words)
            if table in OF_A_DEAL and who.deal_ids:
                his = (OF_A_DEAL[table], who.deal_ids)
                counts["mentions"] += await repository.strike_out(tx, table, column, who.common, among=his)
    return counts
