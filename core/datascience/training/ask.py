"""A training is asked for, and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from core.datascience.training import repository, story
from core.datascience.training.model import OPEN, Training
from core.kit import timers
from core.kit.db import Tx
from core.kit.errors import Conflict
from core.kit.events import Event, EventType
from core.kit.ids import new_id

TIMER = "trainings"
FIRST_LOOK_S = 10.0
"""How long after it was asked for one looks whether it was begun."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`version_id`: the version that is to be taught anew, or recalibrated. `tune`: trials of a search for better
    parameters."""

    context: str
    algorithm: str
    action: Literal["retrain", "recalibrate"] = "retrain"
    why: Literal["person", "drift"] = "person"
    version_id: UUID | None = None
    tune: int = 0


async def ask(tx: Tx, wanted: Wanted) -> Training:
    """Raises `Conflict` where such a training of this tenant is under way."""
    await repository.lock(tx, wanted.context, wanted.algorithm)
    other = await repository.under_way(tx, wanted.context, wanted.algorithm)
    if other is not None:
        raise Conflict(
            f"A training of {wanted.algorithm} for {wanted.context} is {other.status} already: {other.id}. "
            "Wait until it is over, or cancel it.", trainingId=str(other.id),
        )  # fmt: skip
    now = tx.clock.now()
    row = Training(
        id=new_id(), tenant_id=tx.tenant_id, context=wanted.context, algorithm=wanted.algorithm, action=wanted.action,
        why=wanted.why, version_id=wanted.version_id, tune=wanted.tune, status="queued",
        requested_by=tx.actor.user_id if tx.actor else None, stage="", progress=0.0, attempts=0, created_at=now,
    )  # fmt: skip
    await repository.add(tx, [row])
    searched = f", with a search of {wanted.tune} trials" if wanted.tune else ""
    said = f"asked for: {wanted.action} {wanted.algorithm} for {wanted.context}, by {wanted.why}{searched}"
    await story.tell(tx, row, said)
    tx.audit("training.requested", f"training:{row.id}", after={"algorithm": row.algorithm, "context": row.context})
    data = {
        "context": wanted.context, "algorithm": wanted.algorithm, "action": wanted.action, "why": wanted.why,
        "version_id": str(wanted.version_id) if wanted.version_id else None,
    }  # fmt: skip
    await tx.emit(Event(EventType.TRAINING_REQUESTED, tx.tenant_id, row.id, data, at=now))
    await timers.set_timers(tx, TIMER, [timers.Timer(row.id, now + timedelta(seconds=FIRST_LOOK_S))])
    return row


async def cancel(tx: Tx, training_id: UUID) -> Training:
    """Nothing of it is registered any more; doing it twice is doing it once. Raises `Conflict` where it is over."""
    row = await repository.training(tx, training_id, held=True)
    if row.status == "cancelled":
        return row
    if row.status not in OPEN:
        raise Conflict(f"This training is {row.status} already: there is nothing to cancel.")
    tx.audit("training.cancelled", f"training:{row.id}", before={"status": row.status})
    await story.end(tx, row, "cancelled", "cancelled by a person")
    return row
