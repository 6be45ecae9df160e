"""Feeds the reactions straight from the outbox: LISTEN/NOTIFY wakes it, SKIP LOCKED shares the work among any number.

This is the transport without a broker. Beside a broker it takes what is to be tried again, and what the broker lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from core.kit import outbox
from core.kit.db import Database, Routes
from core.kit.desk import Desk
from core.kit.events import EventType
from core.kit.listener import Listener
from core.kit.outbox import Delivery
from core.kit.runner import Reaction, Runner, Verdict
from core.kit.workers import Lane, Workers

__all__ = ["Reaction", "Relay", "Transport", "routes"]
_MOST_IDLE_S = 30.0  # a lost notification costs at most this


def routes(reactions: Sequence[Reaction], *, publish_after_s: float | None = None) -> Routes:
    """Which reactions an event of each type is delivered to. `publish_after_s`: each event goes to a broker first, and
    to its reactions from the database only after so long."""
    found: dict[str, list[tuple[str, bool, float]]] = {}
    if publish_after_s is not None:
        found = {kind.value: [(outbox.PUBLISH, True, 0.0)] for kind in EventType}
    for reaction in reactions:
        found.setdefault(reaction.on.value, []).append((reaction.name, reaction.ordered, publish_after_s or 0.0))
    return found


class Transport(Protocol):
    """Brings events to reactions until stopped: this relay, or a broker's consumer."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class OutboxSource:
    """Deliveries that are due in the database. Of the workers' own results it hears by the listener, too."""

    def __init__(
        self,
        db: Database,
        reactions: Iterable[str],
        listener: Listener,
        *,
        lease_s: float,
        most_idle_s: float = _MOST_IDLE_S,
    ) -> None:
        self._db = db
        self._desk = Desk(db)
        self._reactions = tuple(reactions)
        self._listener = listener
        self._lease_s = lease_s
        self._most_idle_s = most_idle_s
        self._seen, self._asked_at = 0, db.clock.now()

    async def claim(self, most: int) -> list[Delivery]:
        self._seen, self._asked_at = self._listener.heard, self._db.clock.now()
        return await self._desk.claim(self._reactions, most=most, lease_s=self._lease_s)

    async def idle(self) -> None:
        due = await self._desk.next_due(self._reactions, self._asked_at)
        wait_s = max(0.01, (due - self._db.clock.now()).total_seconds()) if due else self._most_idle_s
        wait_s = min(wait_s, self._most_idle_s)
        await self._listener.wait(self._seen, wait_s)

    async def settled(self, delivery: Delivery, verdict: Verdict | None) -> None:
        """What failed may be due sooner than the idle ones think; what waited for an ordered one is free now."""
        if delivery.ordered or verdict is not Verdict.DONE:
            await self._listener.signal()

    async def close(self) -> None:
        await self._desk.close()


class Relay:
    """Several workers over one database. A claim holds for `lease_s` until its reaction begins: so long waits what a
    dead worker had claimed."""

    def __init__(
        self, db: Database, reactions: Sequence[Reaction], services: Any, *,
        workers: int = 4, slow_workers: int = 2, max_attempts: int = 8, backoff_base_s: float = 0.5,
        lease_s: float = 5.0, notices: frozenset[str] = frozenset(), most_idle_s: float = _MOST_IDLE_S,
    ) -> None:  # fmt: skip
        """`notices`: those that wake it, all where empty; it looks again after `most_idle_s` whatever it hears."""
        self._listener = Listener(db.url, only=notices)
        lanes = []
        for slow, count in ((False, workers), (True, slow_workers)):
            names = [reaction.name for reaction in reactions if reaction.slow is slow]
            if names:
                source = OutboxSource(db, names, self._listener, lease_s=lease_s, most_idle_s=most_idle_s)
                lanes.append(Lane(source, count))
        runner = Runner(db, reactions, services, max_attempts=max_attempts, backoff_base_s=backoff_base_s)
        self._workers = Workers(runner, lanes)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`; reactions in hand are cancelled then, and run again elsewhere."""
        async with self._listener.listening():
            working = asyncio.create_task(self._workers.run())
            try:
                await self._stopping.wait()
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def wake(self) -> None:
        """Something is due that no notice told of."""
        await self._listener.signal()

    async def drain(self) -> int:
        """Run all that is due, in this task; returns how many. For tests and tools."""
        try:
            return await self._workers.drain()
        finally:
            await self._workers.close()
