"""What the prediction engine says of a deal, and what could be done about it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID

from core.kit.db import Tx
from core.kit.errors import Unavailable
from core.ports import DealInputs, Prediction, Predictor, WhatIf

CONTEXTS = ("followup", "forecast")
"""Asked in this order: the first that a model answers for is taken."""


@dataclass(frozen=True, slots=True)
class Odds:
    """`probability` in [0, 1], with its 90 % interval; `what_ifs`: largest gain first."""

    probability: float
    low: float
    high: float
    context: str
    basis: str
    model: str
    version: str
    what_ifs: tuple[WhatIf, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Oracle(Protocol):
    """Who is asked for the odds."""

    async def __call__(self, tx: Tx, deal_id: UUID) -> Odds | None: ...


class EngineOracle:
    """The engine. For a follow-up it is asked in that context; where it has no model for that, for the forecast."""

    def __init__(self, predictor: Predictor, inputs: DealInputs, *, patience_s: float = 10.0) -> None:
        self._predictor = predictor
        self._inputs = inputs
        self._patience_s = patience_s

    async def __call__(self, tx: Tx, deal_id: UUID) -> Odds | None:
        """None where it is away: then the agent decides without it, and says so."""
        asked = await self._inputs(tx, [deal_id])
        try:
            async with asyncio.timeout(self._patience_s):
                for context in CONTEXTS:
                    [said] = await self._predictor.predict(
                        tx.tenant_id, asked, context=context, source="agent", what_if=True
                    )
                    if said.basis != "rule":
                        break
        except (Unavailable, TimeoutError):
            return None
        return _odds(said, context)


def _odds(said: Prediction, context: str) -> Odds:
    def short(value: float) -> float:
        return round(value, 6)

    what_ifs = tuple(WhatIf(one.action, short(one.probability)) for one in said.what_ifs)
    return Odds(
        short(said.probability), short(said.low), short(said.high), context, said.basis, said.model, said.version,
        what_ifs,
    )  # fmt: skip
