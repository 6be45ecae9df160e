"""The port to where trainings run."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Trainer(Protocol):
    """Runs each training in a process of its own, which outlives whoever started it."""

    async def start(self, tenant_id: UUID, training_id: UUID) -> None:
        """Let somebody claim it and work on it. One that has its process already is left alone: starting twice is
        starting once. Raises `Unavailable`."""
        ...

    async def stop(self, training_id: UUID) -> None:
        """End its process at once; where there is none, nothing happens."""
        ...

    async def has(self, training_id: UUID) -> bool:
        """Is there a process for it? It may still wait for room."""
        ...
