"""Looks after trainings by the clock: one whose process is gone goes on in another, or is given up."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from core.datascience.training import repository, story
from core.datascience.training.ask import TIMER
from core.datascience.training.model import OPEN
from core.datascience.training.trainer import Trainer
from core.kit import timers
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.training_settings import TrainingSettings

AFTER_LEASE_S = 1.0


async def look_after(tx: Tx, training_id: UUID, trainer: Trainer, how: TrainingSettings) -> None:
    """Follows the timer that is set while a training is open, and sets the next."""
    try:
        row = await repository.training(tx, training_id, held=True)
    except NotFound:
        return
    if row.status not in OPEN:
        return
    now = tx.clock.now()
    again = now + timedelta(seconds=how.lease_s)
    if row.lease_until is not None and row.lease_until > now:
        again = row.lease_until + timedelta(seconds=AFTER_LEASE_S)
    elif row.attempts >= how.most_attempts:
        await trainer.stop(row.id)
        last = (await repository.lines(tx, row.id))[-1].text
        await story.end(tx, row, "failed", f"given up after {row.attempts} attempts; the last said: {last}")
        return
    else:
        if row.status == "running":
            await story.tell(tx, row, "its process is gone or hangs: another goes on")
            await trainer.stop(row.id)
            row.status = "queued"  # whoever worked on it is heard no more; the next one may take its time to begin
        await trainer.start(row.tenant_id, row.id)
    await timers.set_timers(tx, TIMER, [timers.Timer(row.id, again)])
