"""What a person does about events: those that were given up, those that shall be taken once more, and how far behind
the reactions are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core import bootstrap
from core.kit import outbox
from core.kit.errors import BadInput
from core.kit.lag import Lag
from core.kit.lag import lag as read_lag
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


async def replay(settings: Settings, since: datetime, reactions: Sequence[str]) -> int:
    """Let reactions (all where none is named) take every event from `since` on once more; returns how many deliveries
    that makes. `events.publish` among them puts the events on the topic again."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    known = {name for taking in db.routes.values() for name, _, _ in taking}
    strange = sorted(set(reactions) - known)
    if strange:
        raise BadInput(f"There is no reaction {', '.join(strange)}. There are {', '.join(sorted(known))}.")
    wanted = set(reactions) or known - {outbox.PUBLISH}
    try:
        async with db.system() as tx:
            return await outbox.replay(tx, since if since.tzinfo else since.replace(tzinfo=UTC), wanted)
    finally:
        await db.close()


async def lag(settings: Settings) -> list[Lag]:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        return await read_lag(db)
    finally:
        await db.close()


def behind(settings: Settings) -> dict[str, int]:
    """Consumer group → messages of the topic that it has not passed; nothing without Kafka."""
    from core.flows import REACTIONS
    from core.gateways import kafka
    from core.gateways.kafka_transport import groups

    if settings.events.transport != "kafka":
        return {}
    return kafka.behind(settings.events.kafka, groups(settings.events, REACTIONS))
