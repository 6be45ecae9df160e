"""Feeds the reactions straight from the outbox: LISTEN/NOTIFY wakes it, SKIP LOCKED shares the work among any number.

This is the transport without a broker. Beside a broker it takes what is to be tried again, and what the broker lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol

from core.kit.db import Database, Routes
from core.kit.desk import Desk
from core.kit.lanes import Lane, Run, in_runs
from core.kit.listener import Listener
from core.kit.log import logger
from core.kit.outbox import Delivery
from core.kit.retry import backoff_s
from core.kit.runner import Reaction, Runner, Verdict

__all__ = ["Reaction", "Relay", "Transport", "routes"]
log = logger("relay")
_MOST_IDLE_S = 30.0  # a lost notification costs at most this


def routes(reactions: Sequence[Reaction]) -> Routes:
    """Which reactions an event of each type is delivered to."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for reaction in reactions:
        found.setdefault(reaction.on.value, []).append((reaction.name, reaction.ordered))
    return found


class Transport(Protocol):
    """Brings events to reactions until stopped: this relay, or a broker's consumer."""

    async def run(self) -> None: ...
    def stop(self) -> None: ...


class Relay:
    """Several workers over one database. A claim holds for `lease_s` until its reaction begins: so long waits what a
    dead worker had claimed."""

    def __init__(
        self, db: Database, reactions: Sequence[Reaction], services: Any, *,
        workers: int = 4, slow_workers: int = 2, max_attempts: int = 8, backoff_base_s: float = 0.5,
        lease_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._db = db
        self._runner = Runner(db, reactions, services, max_attempts=max_attempts, backoff_base_s=backoff_base_s)
        self._lanes = [
            Lane((r.name for r in reactions if slow is r.slow), count, Desk(db))
            for slow, count in ((False, workers), (True, slow_workers))
        ]
        self._lease_s = lease_s
        self._held: dict[tuple[Any, str], Delivery] = {}
        self._listener = Listener(db.url)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`; reactions in hand are cancelled then, and run again elsewhere."""
        async with self._listener.listening():
            lanes = [lane for lane in self._lanes if lane.reactions]
            tasks = [asyncio.create_task(self._work(lane)) for lane in lanes for _ in range(lane.workers)]
            try:
                await self._stopping.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._close()

    def stop(self) -> None:
        self._stopping.set()

    async def drain(self) -> int:
        """Run all that is due, in this task; returns how many. For tests and tools."""
        count = 0
        try:
            while claimed := [run for lane in self._lanes for run in await self._claim(lane, most=32)]:
                for run in claimed:
                    count += await self._carry_out(run)
        finally:
            await self._close()
        return count

    async def _work(self, lane: Lane) -> None:
        failures = 0
        while True:
            try:
                run = await self._next(lane)
                begun = time.monotonic()
                await self._carry_out(run)
                lane.note((time.monotonic() - begun) / len(run))
                failures = 0
            except Exception as error:
                # The database is away: nothing can be claimed until it is back.
                failures += 1
                log.warning("relay_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def _next(self, lane: Lane) -> Run:
        """What this worker does next; one of the idle ones claims for all."""
        lane.waiting += 1
        try:
            async with lane.turn:
                while not lane.claimed:
                    seen = self._listener.heard
                    lane.claimed += await self._claim(lane, most=lane.wanted())
                    if not lane.claimed:
                        await self._idle(lane, seen)
                return lane.claimed.popleft()
        finally:
            lane.waiting -= 1

    async def _claim(self, lane: Lane, *, most: int) -> list[Run]:
        claimed = await lane.desk.claim(lane.reactions, most=most, lease_s=self._lease_s)
        self._held |= {(delivery.event.id, delivery.reaction): delivery for delivery in claimed}
        return in_runs(claimed)

    async def _idle(self, lane: Lane, seen: int) -> None:
        due = await lane.desk.next_due(lane.reactions)
        wait_s = min(_MOST_IDLE_S, max(0.01, (due - self._db.clock.now()).total_seconds())) if due else _MOST_IDLE_S
        await self._listener.wait(seen, wait_s)

    async def _carry_out(self, run: Run) -> int:
        """One after another; what follows one that failed goes back. Returns how many ran."""
        for number, delivery in enumerate(run):
            try:
                verdict = await self._runner.run(delivery)
            except Exception:
                self._forget(run[number:])
                raise
            self._forget([delivery])
            if verdict is not Verdict.DONE:
                await self._give_back(run[number + 1 :])
                await self._listener.signal()  # it may be due sooner than the idle ones think
                return number + (verdict is Verdict.FAILED)
        if run[-1].ordered:
            await self._listener.signal()  # what waited for this one is free now
        return len(run)

    async def _give_back(self, deliveries: Run) -> None:
        if deliveries:
            self._forget(deliveries)
            desk = Desk(self._db)  # a lane's own is in the hand of who claims
            try:
                await desk.release(deliveries)
            finally:
                await desk.close()

    def _forget(self, deliveries: Run) -> None:
        for delivery in deliveries:
            self._held.pop((delivery.event.id, delivery.reaction), None)

    async def _close(self) -> None:
        """Whoever stops keeps nothing: others need not wait for the claims to run out."""
        try:
            await self._give_back(list(self._held.values()))
        except Exception as error:
            log.warning("claims_run_out", error=type(error).__name__, count=len(self._held))
        for lane in self._lanes:
            await lane.desk.close()
