"""What a person does about events that were given up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core import bootstrap
from core.kit import outbox
from core.settings import Settings


async def parked(settings: Settings) -> list[dict[str, Any]]:
    """Every parked delivery: event, reaction, error, attempts."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        async with db.system() as tx:
            return await outbox.parked(tx)
    finally:
        await db.close()


async def rerun(settings: Settings, event_id: UUID | None = None) -> int:
    """Run parked deliveries again, of one event or all; returns how many."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        async with db.system() as tx:
            return await outbox.rerun(tx, event_id)
    finally:
        await db.close()
