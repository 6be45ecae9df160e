"""What nobody needs any more goes, once a day for each tenant: the residents' inbox beyond what can be replayed to
them, and decisions of long ago."""

from __future__ import annotations

from datetime import timedelta

from core.automation import repository
from core.automation.agent import repository as decisions
from core.kit import timers
from core.kit.db import Tx
from core.kit.timers import Timer

TIMER = "automation.prune"
REMEMBERED = timedelta(days=90)
"""So long the inbox knows what was taken: an event that is older is not taken any more (`core/automation/host.py`)."""
TOLD = timedelta(days=400)
"""So long it is told why the agent did what it did."""
_AGAIN_AFTER = timedelta(days=1)


async def arm(tx: Tx) -> None:
    """Where it waits already, that stays."""
    await timers.set_timers(tx, TIMER, [Timer(tx.tenant_id, tx.clock.now() + _AGAIN_AFTER)], earliest=True)


async def prune(tx: Tx) -> None:
    now = tx.clock.now()
    await repository.forget_handled(tx, now - REMEMBERED)
    await decisions.forget(tx, now - TOLD)
    await arm(tx)
