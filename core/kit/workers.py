"""Workers in lanes: they claim for each other, run what is claimed in order where order is asked, and give back what
they do not get to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from core.kit.desk import Desk
from core.kit.log import logger
from core.kit.outbox import Delivery
from core.kit.retry import backoff_s
from core.kit.runner import Runner, Verdict

log = logger("workers")
Run = list[Delivery]
"""Deliveries that one worker takes one after another: one, or a tenant's of one ordered reaction."""
_AHEAD_S = 0.1
_MOST_AHEAD = 64


class Source(Protocol):
    """Where a lane's deliveries come from. One task at a time claims or waits."""

    async def claim(self, most: int) -> list[Delivery]: ...

    async def idle(self) -> None:
        """After a claim that found nothing: until there may be something."""
        ...

    async def settled(self, delivery: Delivery, verdict: Verdict | None) -> None:
        """It needs nothing more from here. None: it was given back, or its verdict is not known."""
        ...

    async def close(self) -> None: ...


class Lane:
    """`waiting` workers are idle; `claimed` is what none of them has begun."""

    def __init__(self, source: Source, workers: int) -> None:
        self.source = source
        self.workers = workers
        self.waiting = 0
        self.claimed: deque[Run] = deque()
        self.turn = asyncio.Lock()
        self._took_s = 1.0

    def wanted(self) -> int:
        """How many to claim: one for each idle worker, and where they are quick what they do in a moment."""
        return max(1, self.waiting, min(_MOST_AHEAD, int(self.workers * _AHEAD_S / self._took_s)))

    def note(self, took_s: float) -> None:
        """How long a delivery took: a quick one counts slowly, so that one claim never holds much that is slow."""
        self._took_s = max(1e-3, took_s if took_s > self._took_s else 0.8 * self._took_s + 0.2 * took_s)


class Workers:
    """All the lanes of one process and one transport."""

    def __init__(self, runner: Runner, lanes: Sequence[Lane]) -> None:
        self._runner = runner
        self._lanes = lanes
        self._held: dict[tuple[UUID, str], tuple[Lane, Delivery]] = {}

    async def run(self) -> None:
        """Until cancelled; what is in hand then is cancelled as well, and runs again elsewhere."""
        tasks = [asyncio.create_task(self._work(lane)) for lane in self._lanes for _ in range(lane.workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def drain(self) -> int:
        """Run all that is due, in this task; returns how many."""
        count = 0
        while claimed := [(lane, run) for lane in self._lanes for run in await self._claim(lane, most=32)]:
            for lane, run in claimed:
                count += await self._carry_out(lane, run)
        return count

    async def close(self) -> None:
        """Whoever stops keeps nothing: others need not wait for the claims to run out."""
        held = [delivery for _, delivery in self._held.values()]
        try:
            await self._give_back(held)
        except Exception as error:
            log.warning("claims_run_out", error=type(error).__name__, count=len(held))
        for lane in self._lanes:
            await lane.source.close()

    async def _work(self, lane: Lane) -> None:
        failures = 0
        while True:
            try:
                run = await self._next(lane)
                begun = time.monotonic()
                await self._carry_out(lane, run)
                lane.note((time.monotonic() - begun) / len(run))
                failures = 0
            except Exception as error:
                # The database is away: nothing can be claimed until it is back.
                failures += 1
                log.warning("workers_wait", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def _next(self, lane: Lane) -> Run:
        """What this worker does next; one of the idle ones claims for all."""
        lane.waiting += 1
        try:
            async with lane.turn:
                while not lane.claimed:
                    lane.claimed += await self._claim(lane, most=lane.wanted())
                    if not lane.claimed:
                        await lane.source.idle()
                return lane.claimed.popleft()
        finally:
            lane.waiting -= 1

    async def _claim(self, lane: Lane, *, most: int) -> list[Run]:
        claimed = await lane.source.claim(most)
        self._held |= {(delivery.event.id, delivery.reaction): (lane, delivery) for delivery in claimed}
        return in_runs(claimed)

    async def _carry_out(self, lane: Lane, run: Run) -> int:
        """One after another; what follows one that failed goes back. Returns how many ran."""
        for number, delivery in enumerate(run):
            try:
                verdict = await self._runner.run(delivery)
            except Exception:
                for left in run[number:]:
                    await self._settle(left, None)
                raise
            await self._settle(delivery, verdict)
            if verdict is not Verdict.DONE:
                await self._give_back(run[number + 1 :])
                return number + (verdict is Verdict.FAILED)
        return len(run)

    async def _give_back(self, deliveries: Run) -> None:
        if not deliveries:
            return
        desk = Desk(self._runner.db)  # a source's own is in the hand of who claims
        try:
            await desk.release(deliveries)
        finally:
            await desk.close()
            for delivery in deliveries:
                await self._settle(delivery, None)

    async def _settle(self, delivery: Delivery, verdict: Verdict | None) -> None:
        held = self._held.pop((delivery.event.id, delivery.reaction), None)
        if held is not None:
            await held[0].source.settled(delivery, verdict)


def in_runs(deliveries: Iterable[Delivery]) -> list[Run]:
    runs: list[Run] = []
    of: dict[tuple[UUID, str], Run] = {}
    for delivery in deliveries:
        key = (delivery.event.tenant_id, delivery.reaction)
        if delivery.ordered and key in of:
            of[key].append(delivery)
        else:
            runs.append([delivery])
            of[key] = runs[-1]
    return runs
