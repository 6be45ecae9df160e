"""What is told of a training: its lines, and its end."""

from __future__ import annotations

from typing import Literal

from core.datascience.models.model import ModelVersion
from core.datascience.training import repository
from core.datascience.training.model import Training, TrainingLine
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id

_LONGEST = 500


async def tell(tx: Tx, row: Training, *said: str) -> None:
    """Lines of what happened."""
    now = tx.clock.now()
    lines = [
        TrainingLine(
            id=new_id(), tenant_id=tx.tenant_id, training_id=row.id, attempt=row.attempts, at=now, text=text[:_LONGEST]
        )
        for text in said
    ]
    await repository.add(tx, lines)


async def end(
    tx: Tx, row: Training, status: Literal["done", "failed", "cancelled"], why: str, model: ModelVersion | None = None
) -> None:
    """`why`: for people; of a failure it is the error. The row is held by this transaction."""
    row.status, row.finished_at, row.lease_until = status, tx.clock.now(), None
    row.model_id = model.id if model else None
    if status == "failed":
        row.error = why[:2000]
    if status == "done":
        row.progress = 1.0
    await tell(tx, row, why)
    data = {
        "context": row.context, "algorithm": row.algorithm, "status": status,
        "model_id": str(model.id) if model else None,
        "passed": bool(model.verdict["passed"]) if model and model.verdict else None,
    }  # fmt: skip
    await tx.emit(Event(EventType.TRAINING_FINISHED, tx.tenant_id, row.id, data, at=row.finished_at))
