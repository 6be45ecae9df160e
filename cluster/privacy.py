"""The nightly job that deletes what is no longer to be kept."""

from __future__ import annotations

from core import bootstrap
from core.privacy import retention
from core.settings import Settings


async def retain(settings: Settings) -> dict[str, int]:
    """How many of each kind were deleted, over all tenants."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        stores = retention.Stores(bootstrap.object_store(settings), bootstrap.features(settings, db))
        return await retention.retain(db, stores)
    finally:
        await db.close()
