"""Who asked for a training is told what came of it."""

from __future__ import annotations

from core.datascience.training import repository
from core.kit.db import Tx
from core.kit.events import Event
from core.notifications.notify import Notice, notify


async def ended(event: Event, tx: Tx) -> None:
    """What drift asked for is nobody's, and who cancels knows of it."""
    row = await repository.training(tx, event.subject)
    if row.requested_by is None or event.data["status"] == "cancelled":
        return
    if event.data["status"] == "failed":
        kind = "training_failed"
    else:
        kind = "training_done" if event.data["passed"] else "training_refused"
    notice = Notice(kind, row.id, f"training:{row.id}", data={"algorithm": row.algorithm})
    await notify(tx, notice, [row.requested_by])
