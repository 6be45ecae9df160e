"""Workers that share what was claimed for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from core.kit.desk import Desk
from core.kit.outbox import Delivery

Run = list[Delivery]
"""Deliveries that one worker takes one after another: one, or a tenant's of one ordered reaction."""
_AHEAD_S = 0.1
_MOST_AHEAD = 64


class Lane:
    """`waiting` workers are idle; `claimed` is what nobody of them has begun."""

    def __init__(self, reactions: Iterable[str], workers: int, desk: Desk) -> None:
        self.reactions = tuple(reactions)
        self.desk = desk
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
