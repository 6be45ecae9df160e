"""Delete what a tenant no longer wants kept: in batches, each a transaction and audited. Safe to repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.datascience.features.store import FeatureStore
from core.datascience.predictions import repository as predictions
from core.kit.db import Database, Tx
from core.ports import ObjectStore
from core.privacy import repository
from core.privacy.model import PersonRequest
from core.tenants import repository as tenants


@dataclass(frozen=True, slots=True)
class Stores:
    """Where else than in tables things lie."""

    objects: ObjectStore
    features: FeatureStore


Batch = Callable[[Tx, datetime, int, Stores], Awaitable[int]]
"""(transaction, made before, at most, stores) → how many were deleted."""

BATCH = 200


async def retain(db: Database, stores: Stores, *, batch: int = BATCH) -> dict[str, int]:
    """Of all tenants; returns how many of each kind were deleted."""
    async with db.system() as tx:
        tenant_ids = await tenants.all_tenant_ids(tx)
    total: Counter[str] = Counter()
    for tenant_id in tenant_ids:
        total.update(await retain_tenant(db, tenant_id, stores, batch=batch))
    return dict(total)


async def retain_tenant(db: Database, tenant_id: UUID, stores: Stores, *, batch: int = BATCH) -> Counter[str]:
    async with db.tenant(tenant_id) as tx:
        kept = await repository.settings(tx)
    days = {
        "audio": kept.audio_days, "transcripts": kept.transcript_days, "drafts": kept.draft_days,
        "contacts": kept.contact_days, "copies": 0, "predictions": kept.prediction_days,
    }  # fmt: skip
    deleted: Counter[str] = Counter()
    for kind, most_days in days.items():
        while most_days is not None:
            async with db.tenant(tenant_id) as tx:
                count = await _KINDS[kind](tx, tx.clock.now() - timedelta(days=most_days), batch, stores)
                if count:
                    tx.audit(f"retention.{kind}", f"tenant:{tenant_id}", after={"deleted": count, "days": most_days})
            deleted[kind] += count
            if count < batch:
                break
    return +deleted


async def _audio(tx: Tx, before: datetime, most: int, stores: Stores) -> int:
    old = await repository.old_recordings(tx, before, most)
    for call in old:
        if call.object_key:
            await stores.objects.delete(call.object_key)
        call.object_key = None
    return len(old)


async def _transcripts(tx: Tx, before: datetime, most: int, stores: Stores) -> int:
    old = await repository.old_transcripts(tx, before, most)
    await repository.forget_results(tx, old)
    await stores.features.forget(tx, old)
    return len(old)


async def _drafts(tx: Tx, before: datetime, most: int, _: Stores) -> int:
    return await repository.delete_old_drafts(tx, before, most)


async def _contacts(tx: Tx, before: datetime, most: int, stores: Stores) -> int:
    gone = await repository.delete_old_contacts(tx, before, most)
    await stores.features.forget(tx, gone)
    return len(gone)


async def _predictions(tx: Tx, before: datetime, most: int, _: Stores) -> int:
    return await predictions.delete_before(tx, before, most)


async def _copies(tx: Tx, now: datetime, most: int, stores: Stores) -> int:
    """Copies of persons' data whose time is over; it is counted in the request, not by the tenant."""
    old = await repository.live_copies(tx, expired_by=now, limit=most)
    await drop_copies(old, stores.objects)
    return len(old)


async def drop_copies(copies: list[PersonRequest], objects: ObjectStore) -> None:
    for copy in copies:
        if copy.object_key:
            await objects.delete(copy.object_key)
        copy.object_key, copy.status = None, "expired"


_KINDS: dict[str, Batch] = {
    "audio": _audio, "transcripts": _transcripts, "drafts": _drafts, "contacts": _contacts, "copies": _copies,
    "predictions": _predictions,
}  # fmt: skip
