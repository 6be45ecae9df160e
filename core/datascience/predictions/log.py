"""Every prediction leaves a row. It is handed over in memory and written behind the answer, many at a time.

The room is bounded: where the database stays away too long, rows are dropped, counted and told. `close` writes what is
still there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.datascience.predictions import repository
from core.kit.db import Database
from core.kit.ids import new_id
from core.kit.log import logger
from core.kit.retry import backoff_s
from core.ports import Prediction, Question

log = logger("predictions")
MOST_WAITING = 20_000
BATCH = 500
WITHIN_S = 0.5
"""How long a row waits for company."""
_TRIES_AT_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Logged:
    """One answer as it was given. `role`: champion | challenger | shadow."""

    tenant_id: UUID
    at: datetime
    question: Question
    answer: Prediction
    source: str
    role: str
    latency_ms: float
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were written, wait to be, and were lost because there was no room."""

    written: int
    waiting: int
    dropped: int


class PredictionLog:
    """The writer starts with the first row, on the event loop of whoever adds it."""

    def __init__(self, db: Database, *, most_waiting: int = MOST_WAITING, within_s: float = WITHIN_S) -> None:
        self._db = db
        self._most = most_waiting
        self._within_s = within_s
        self._waiting: deque[Logged] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._closing = False
        self._written = self._dropped = 0

    def add(self, rows: Sequence[Logged]) -> None:
        """Returns at once. The newest are dropped where there is no room."""
        room = max(0, self._most - len(self._waiting))
        self._waiting.extend(rows[:room])
        if lost := len(rows) - min(room, len(rows)):
            self._dropped += lost
            log.error("predictions_not_logged", lost=lost, lost_so_far=self._dropped, waiting=len(self._waiting))
        if len(self._waiting) >= BATCH:
            self._hurry.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def write(self, rows: Sequence[Logged]) -> None:
        """At once, for who answers many rows of one tenant and can wait; raises where the database is away."""
        for at in range(0, len(rows), BATCH):
            async with self._db.tenant(rows[at].tenant_id) as tx:
                await repository.add_all(tx, rows[at : at + BATCH])
            self._written += len(rows[at : at + BATCH])

    def state(self) -> Written:
        return Written(self._written, len(self._waiting), self._dropped)

    async def close(self) -> None:
        """Writes what is there; what cannot be written after some tries is counted as lost."""
        self._closing = True
        self._hurry.set()
        if self._writer is not None:
            await self._writer
        if self._waiting:
            self._dropped += len(self._waiting)
            log.error("predictions_not_logged", lost=len(self._waiting), lost_so_far=self._dropped, waiting=0)
            self._waiting.clear()

    async def _write(self) -> None:
        """Until nothing waits."""
        failures = 0
        while self._waiting and (failures < _TRIES_AT_CLOSE or not self._closing):
            await self._pause(self._within_s if not failures else backoff_s(failures, base_s=0.2, most_s=10.0))
            try:
                while self._waiting:
                    await self._batch()
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("prediction_log_waits", error=type(error).__name__, failures=failures)

    async def _pause(self, most_s: float) -> None:
        """Less where there is enough for a batch, and none at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._closing else most_s):
                await self._hurry.wait()
        self._hurry.clear()

    async def _batch(self) -> None:
        """The oldest rows of one tenant, in one transaction. A row leaves the queue once it is written, and is written
        once however often it is tried."""
        some = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
        mine = [row for row in some if row.tenant_id == some[0].tenant_id]
        async with self._db.tenant(some[0].tenant_id) as tx:
            await repository.add_all(tx, mine)
        self._written += len(mine)
        for _ in some:
            self._waiting.popleft()
        self._waiting.extendleft(reversed([row for row in some if row.tenant_id != some[0].tenant_id]))
