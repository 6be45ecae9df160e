"""The prediction engine: the models that the aliases name, many tenants' in one replica, bounded by memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from ray import serve

from core.datascience.predictions.engine import PredictionEngine
from core.ports import Prediction, Question


@serve.deployment
class Forecasting:
    def __init__(self, make: Callable[[], PredictionEngine]) -> None:
        self._engine = make()

    async def predict(self, tenant_id: UUID, rows: Sequence[Question], how: dict[str, Any]) -> list[Prediction]:
        return await self._engine.predict(tenant_id, rows, **how)

    async def use(self) -> dict[str, float]:
        """What this replica holds, how often it was enough, and what became of the log."""
        return {**dataclasses.asdict(self._engine.use()), "hit_rate": self._engine.use().hit_rate}

    async def __del__(self) -> None:
        # Serve awaits this before it stops a replica: what waits for the log is written.
        await self._engine.close()
