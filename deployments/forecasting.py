"""The odds of deals: loads the model that the alias names, one per tenant that has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from ray import serve

from core.ports import Forecaster, Prediction


@serve.deployment
class Forecasting:
    def __init__(self, make: Callable[[], Forecaster]) -> None:
        self._engine = make()

    async def predict(self, tenant_id: UUID, rows: Sequence[Mapping[str, float | None]]) -> list[Prediction]:
        return await self._engine.predict(tenant_id, rows)
