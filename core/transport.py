"""What brings events to reactions, chosen by configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.kit.db import Database
from core.kit.event_settings import EventSettings
from core.kit.relay import Reaction, Relay, Transport


def open_transport(settings: EventSettings, db: Database, reactions: Sequence[Reaction], services: Any) -> Transport:
    """What brings events to reactions in this process."""
    if settings.transport == "kafka":
        from core.gateways.kafka_transport import KafkaTransport

        return KafkaTransport(db, reactions, services, settings)
    return Relay(
        db, reactions, services, workers=settings.workers, slow_workers=settings.slow_workers,
        max_attempts=settings.max_attempts, backoff_base_s=settings.backoff_base_s, lease_s=settings.lease_s,
    )  # fmt: skip
