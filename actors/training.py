"""Trainings, each in a process of Ray's that nobody owns: it goes on when the one who started it dies.

Ray does not start it again where it is killed; who looks after trainings by the clock (`core/datascience/training`)
sees that its lease has run out and starts another, on any node that lives.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import ray

from actors.tenant_host import NAMESPACE
from core.kit.errors import Unavailable

Work = Callable[[UUID, UUID], None]
"""Works on one training of a tenant until it is over."""
_PATIENCE_S = 20.0


class TrainingJob:
    """The body of the actor. It asks itself to work, so that no other process waits for the answer, and ends itself."""

    def __init__(self, work: Work, tenant_id: UUID, training_id: UUID) -> None:
        self._do = (work, tenant_id, training_id)
        self._me: Any = ray.get_runtime_context().current_actor
        self._me.run.remote()

    def run(self) -> None:
        work, tenant_id, training_id = self._do
        try:
            work(tenant_id, training_id)
        finally:
            ray.kill(self._me)  # what still computes for nobody ends as well


def _name(training_id: UUID) -> str:
    return f"training-{training_id}"


class RayTrainer:
    """The port `Trainer`. `cpus`: of each training's own process; Ray Train's workers ask for more."""

    def __init__(self, work: Work, *, cpus: float) -> None:
        self._work = work
        self._cpus = cpus

    async def start(self, tenant_id: UUID, training_id: UUID) -> None:
        await asyncio.to_thread(self._start, tenant_id, training_id)

    async def stop(self, training_id: UUID) -> None:
        await asyncio.to_thread(self._stop, training_id)

    async def has(self, training_id: UUID) -> bool:
        return await asyncio.to_thread(_find, training_id) is not None

    def _start(self, tenant_id: UUID, training_id: UUID) -> None:
        ray.remote(TrainingJob).options(
            name=_name(training_id), namespace=NAMESPACE, lifetime="detached", get_if_exists=True,
            num_cpus=self._cpus, max_restarts=0,
        ).remote(self._work, tenant_id, training_id)  # fmt: skip

    def _stop(self, training_id: UUID) -> None:
        """Returns once the name is free again."""
        end = time.monotonic() + _PATIENCE_S
        while (found := _find(training_id)) is not None:
            ray.kill(found)
            if time.monotonic() > end:
                raise Unavailable("The training's process does not end. Try again in a moment.")
            time.sleep(0.05)


def _find(training_id: UUID) -> Any:
    try:
        return ray.get_actor(_name(training_id), namespace=NAMESPACE)
    except ValueError:
        return None
