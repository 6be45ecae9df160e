"""Feeds the reactions straight from the outbox: LISTEN/NOTIFY wakes it, SKIP LOCKED shares the work among any number.

This is the transport without a broker. A broker's consumer runs the same reactions with the same inbox rows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from sqlalchemy import make_url

from core.kit import outbox
from core.kit.db import Database, Routes, Tx
from core.kit.errors import SalesEdgeError
from core.kit.events import Event, EventType
from core.kit.log import logger
from core.kit.retry import backoff_s

log = logger("relay")
_MOST_IDLE_S = 30.0  # a lost notification costs at most this


@dataclass(frozen=True, slots=True)
class Reaction:
    """What shall follow an event. `run` uses the transaction and never commits it; it may run more than once.

    ordered: one after another per tenant, in the order of commits. slow: minutes, so it has workers of its own.
    on_parked: called in a transaction of its own once the reaction is given up.
    """

    name: str
    on: EventType
    run: Callable[[Event, Tx, Any], Awaitable[None]]
    ordered: bool = False
    slow: bool = False
    on_parked: Callable[[Event, Tx, SalesEdgeError], Awaitable[None]] | None = None


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
    """Several workers over one database. `services` is handed to each reaction as it is."""

    def __init__(
        self, db: Database, reactions: Sequence[Reaction], services: Any, *,
        workers: int = 4, slow_workers: int = 2, max_attempts: int = 8, backoff_base_s: float = 0.5,
    ) -> None:  # fmt: skip
        self._db = db
        self._services = services
        self._reactions = {reaction.name: reaction for reaction in reactions}
        self._lanes = [
            *[[r.name for r in reactions if not r.slow]] * workers,
            *[[r.name for r in reactions if r.slow]] * slow_workers,
        ]
        self._max_attempts = max_attempts
        self._backoff_base_s = backoff_base_s
        self._signals = 0
        self._signalled = asyncio.Condition()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`; reactions in hand are cancelled then, and run again elsewhere."""
        tasks = [asyncio.create_task(self._listen()), *(asyncio.create_task(self._work(lane)) for lane in self._lanes)]
        try:
            await self._stopping.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def drain(self) -> int:
        """Run all that is due, in this task; returns how many. For tests and tools."""
        count = 0
        while await self._one(list(self._reactions)):
            count += 1
        return count

    async def _work(self, lane: list[str]) -> None:
        failures = 0
        while True:
            seen = self._signals
            try:
                if not await self._one(lane):
                    await self._idle(seen)
                failures = 0
            except Exception as error:
                # The database is away: nothing can be claimed until it is back.
                failures += 1
                log.warning("relay_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def _idle(self, seen: int) -> None:
        async with self._db.system() as tx:
            due = await outbox.next_due(tx)
        wait_s = min(_MOST_IDLE_S, max(0.01, (due - self._db.clock.now()).total_seconds())) if due else _MOST_IDLE_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._signalled:
                await self._signalled.wait_for(lambda: self._signals != seen)

    async def _one(self, lane: list[str]) -> bool:
        """Take one delivery and run its reaction to the end; false where nothing is due."""
        delivery: outbox.Delivery | None = None
        try:
            async with self._db.system() as tx:
                delivery = await outbox.take(tx, lane)
                if delivery is None:
                    return False
                await tx.become(delivery.event.tenant_id)
                tx.trace = delivery.event.trace
                await self._reactions[delivery.reaction].run(delivery.event, tx, self._services)
        except Exception as error:
            if delivery is None:
                raise
            await self._failed(delivery, error)
        return True

    async def _failed(self, delivery: outbox.Delivery, error: Exception) -> None:
        ours = isinstance(error, SalesEdgeError)
        hopeless = ours and not error.retryable  # type: ignore[attr-defined]  # narrowed by `ours`
        told = f"{type(error).__name__}: {error}"
        log.warning(
            "reaction_failed", reaction=delivery.reaction, event_id=str(delivery.event.id),
            tenant=str(delivery.event.tenant_id), attempt=delivery.attempts + 1, error=type(error).__name__,
        )  # fmt: skip
        after_s = backoff_s(delivery.attempts, base_s=self._backoff_base_s)
        async with self._db.system() as tx:
            parked = await outbox.failed(tx, delivery, told, after_s=after_s, most=self._max_attempts, park=hopeless)
        on_parked = self._reactions[delivery.reaction].on_parked
        if parked and on_parked is not None:
            known = error if isinstance(error, SalesEdgeError) else SalesEdgeError("It failed again and again.")
            async with self._db.tenant(delivery.event.tenant_id) as tx:
                await on_parked(delivery.event, tx, known)

    async def _listen(self) -> None:
        url = make_url(self._db.url).set(drivername="postgresql").render_as_string(hide_password=False)
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {outbox.CHANNEL}")
                    failures = 0
                    await self._signal()  # what was committed while nobody listened
                    async for _ in connection.notifies():
                        await self._signal()
            except psycopg.Error as error:
                failures += 1
                log.warning("listener_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))

    async def _signal(self) -> None:
        async with self._signalled:
            self._signals += 1
            self._signalled.notify_all()
