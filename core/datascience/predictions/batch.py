"""Many rows at once, as columns: by the same choice of models as one row, with the same log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.datascience.models.scorers import Inputs
from core.datascience.predictions.engine import PredictionEngine
from core.datascience.predictions.log import Logged, PredictionLog
from core.kit.errors import BadInput
from core.ports import Clock, Prediction, Question, Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Columns = dict[str, "NDArray[Any]"]
ABOUT = ("tenant_id", "deal_id", "segment")
"""Columns that say what a row is about; every other is a feature, or nothing to a model."""


class BatchScorer:
    """`score` takes columns (rows,) and gives them back with the answers beside. A feature that a model reads and the
    table lacks is unknown."""

    def __init__(
        self, engine: PredictionEngine, clock: Clock, *, context: str, reasons: int, log: PredictionLog | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._context = context
        self._reasons = reasons
        self._log = log

    async def score(self, given: Columns) -> Columns:
        import numpy as np

        rows = len(next(iter(given.values())))
        parts, places = [], []
        for (tenant_id, segment), where in _groups(given, rows).items():
            some = {name: column[where] for name, column in given.items()}
            parts.append(await self._group(UUID(tenant_id), segment, some, len(where)))
            places.append(where)
        back = np.argsort(np.concatenate(places), kind="stable")
        return {**given, **{name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}}

    async def _group(self, tenant_id: UUID, segment: str | None, some: Columns, rows: int) -> Columns:
        import numpy as np

        begun = time.perf_counter()
        served = await self._engine.champion(tenant_id, segment, self._context)
        if served is None:
            told = await self._engine.fallback(tenant_id, self._context)
            found = _repeated(told, rows, self._reasons)
            about: tuple[str, str, str] = (told.model, told.version, told.basis)
        else:
            if served.reads_sequences:
                raise BadInput("This model reads sequences, which a table of columns does not hold.")
            names = served.meta.names
            unknown = np.full(rows, np.nan, np.float32)
            x = np.column_stack([np.asarray(some.get(name, unknown), np.float32) for name in names])
            found = served.table(Inputs(x), reasons=self._reasons)
            about = (served.meta.algorithm, served.version, served.basis)
        for name, value in zip(("model", "version", "basis"), about, strict=True):
            found[name] = np.full(rows, value)
        if self._log is not None:
            await self._write(tenant_id, segment, some, found, (time.perf_counter() - begun) * 1e3 / rows)
        return found

    async def _write(
        self, tenant_id: UUID, segment: str | None, some: Columns, found: Columns, latency_ms: float
    ) -> None:
        assert self._log is not None
        at, lists = self._clock.now(), {name: column.tolist() for name, column in {**some, **found}.items()}
        features = [name for name, column in some.items() if name not in ABOUT and column.dtype.kind in "fiub"]
        rows = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
        logged = [
            Logged(tenant_id, at, _question(row, features, segment), _prediction(row, self._context), "batch",
                   "champion", latency_ms)
            for row in rows
        ]  # fmt: skip
        await self._log.write(logged)


def _groups(given: Columns, rows: int) -> dict[tuple[str, str | None], NDArray[np.intp]]:
    """Rows of one tenant and segment: they have one model."""
    import numpy as np

    segments = given.get("segment", np.full(rows, "", object)).tolist()
    keys = list(zip(given["tenant_id"].tolist(), (s or None for s in segments), strict=True))
    return {
        key: np.array([place for place, mine in enumerate(keys) if mine == key], np.intp) for key in dict.fromkeys(keys)
    }


def _repeated(told: Prediction, rows: int, reasons: int) -> Columns:
    """An answer that is the same for all, without reasons."""
    import numpy as np

    numbers = {
        "probability": told.probability, "low": told.low, "high": told.high, "days_low": told.days_low,
        "days": told.days_to_close, "days_high": told.days_high, "amount_low": told.amount_low, "amount": told.amount,
        "amount_high": told.amount_high,
    }  # fmt: skip
    found: Columns = {name: np.full(rows, float(value)) for name, value in numbers.items()}
    found["outside"] = np.full(rows, "")
    for place in range(1, reasons + 1):
        found |= {f"reason_{place}": np.full(rows, ""), f"impact_{place}": np.zeros(rows)}
    return found


def _question(row: Mapping[str, Any], features: Sequence[str], segment: str | None) -> Question:
    values = {name: None if row[name] != row[name] else float(row[name]) for name in features}
    return Question(values, segment, _id(row.get("deal_id")))


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadInput("A `deal_id` is no UUID. Leave it empty for rows that are about no deal.") from None


def _prediction(row: Mapping[str, Any], context: str) -> Prediction:
    places = range(1, 1 + sum(name.startswith("reason_") for name in row))
    reasons = [Reason(row[f"reason_{n}"], None, row[f"impact_{n}"]) for n in places if row[f"reason_{n}"]]
    same = ("probability", "low", "high", "days_low", "days_high", "model", "version", "basis")
    amounts = ("amount_low", "amount", "amount_high")
    return Prediction(
        **{name: row[name] for name in (*same, *amounts)}, days_to_close=row["days"], reasons=tuple(reasons),
        context=context, outside=tuple(row["outside"].split(",")) if row["outside"] else (),
    )  # fmt: skip
