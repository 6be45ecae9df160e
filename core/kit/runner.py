"""Runs one claimed delivery to its verdict, whoever brought it: the relay or a broker's consumer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.kit import outbox
from core.kit.db import Database, Tx
from core.kit.errors import SalesEdgeError
from core.kit.events import Event, EventType
from core.kit.log import logger
from core.kit.outbox import Delivery
from core.kit.retry import backoff_s

log = logger("runner")


@dataclass(frozen=True, slots=True)
class Reaction:
    """What shall follow an event. `run` uses the transaction and never commits it; it may run more than once.

    One that follows several types of event stands there once for each, under one name and with one `run`.
    ordered: one after another per tenant, in the order of commits, whatever their type. slow: minutes, so it has
    workers of its own.
    on_parked: called in the transaction that gives the reaction up.
    """

    name: str
    on: EventType
    run: Callable[[Event, Tx, Any], Awaitable[None]]
    ordered: bool = False
    slow: bool = False
    on_parked: Callable[[Event, Tx, SalesEdgeError], Awaitable[None]] | None = None


class Verdict(Enum):
    DONE = "done"
    FAILED = "failed"  # it is tried again later, or was parked
    LOST = "lost"  # somebody else has it


class Runner:
    """`services` is handed to each reaction as it is."""

    def __init__(
        self, db: Database, reactions: Sequence[Reaction], services: Any, *,
        max_attempts: int = 8, backoff_base_s: float = 0.5,
    ) -> None:  # fmt: skip
        self.db = db
        self._services = services
        self._reactions = {reaction.name: reaction for reaction in reactions}
        self._max_attempts = max_attempts
        self._backoff_base_s = backoff_base_s

    async def run(self, delivery: Delivery) -> Verdict:
        """Raises what the database raises where not even a failure can be written down: the claim then runs out."""
        if delivery.attempts > self._max_attempts:
            return await self._failed(delivery, SalesEdgeError("Each worker that tried it died."))
        try:
            async with self.db.tenant(delivery.event.tenant_id) as tx:
                if not await outbox.begin(tx, delivery):
                    return Verdict.LOST
                tx.trace = delivery.event.trace
                await self._reactions[delivery.reaction].run(delivery.current(), tx, self._services)
        except Exception as error:
            return await self._failed(delivery, error)
        return Verdict.DONE

    async def _failed(self, delivery: Delivery, error: Exception) -> Verdict:
        known = error if isinstance(error, SalesEdgeError) else None
        told = f"{type(error).__name__}: {error}"
        log.warning(
            "reaction_failed", reaction=delivery.reaction, event_id=str(delivery.event.id),
            tenant=str(delivery.event.tenant_id), attempt=delivery.attempts, error=type(error).__name__,
        )  # fmt: skip
        if (known is not None and not known.retryable) or delivery.attempts >= self._max_attempts:
            return await self._park(delivery, told, known or SalesEdgeError("It failed again and again."))
        after_s = backoff_s(delivery.attempts - 1, base_s=self._backoff_base_s)
        async with self.db.tenant(delivery.event.tenant_id) as tx:
            mine = await outbox.later(tx, delivery, told, after_s=after_s)
        return Verdict.FAILED if mine else Verdict.LOST

    async def _park(self, delivery: Delivery, told: str, error: SalesEdgeError) -> Verdict:
        on_parked = self._reactions[delivery.reaction].on_parked
        try:
            async with self.db.tenant(delivery.event.tenant_id) as tx:
                mine = await outbox.park(tx, delivery, told)
                if mine and on_parked is not None:
                    await on_parked(delivery.current(), tx, error)
        except Exception as second:
            # What should follow does not work either: a person sees it all the same.
            log.warning("on_parked_failed", reaction=delivery.reaction, error=type(second).__name__)
            async with self.db.tenant(delivery.event.tenant_id) as tx:
                mine = await outbox.park(tx, delivery, told)
        return Verdict.FAILED if mine else Verdict.LOST
