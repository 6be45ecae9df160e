"""Brings new notifications to the sockets of this process: one LISTEN, and one query a tenant however many people of it
are here. Any number of processes do the same, so it does not matter which of them holds a person's socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.deals import repository as deals
from core.kit.db import Database
from core.kit.errors import TooManyRequests
from core.kit.listener import Listener
from core.kit.log import logger
from core.notifications import repository, words
from core.notifications.model import Notification
from core.tenants import repository as tenants

log = logger("notifications")
MOST_BEHIND = 500
"""Notifications that one slow socket may have waiting; it is told to come back for the rest."""
MOST_SOCKETS = 100
"""Of one person in one process."""
_BATCH = 1_000
_AGAIN_S = 1.0


@dataclass(eq=False, slots=True)
class Seat:
    """One socket. `since`: the number after which everything comes. `waiting` ends with None where it fell behind."""

    user_id: UUID
    since: int = 0
    waiting: asyncio.Queue[dict[str, Any] | None] = field(default_factory=lambda: asyncio.Queue(MOST_BEHIND + 1))


@dataclass(slots=True)
class _House:
    """A tenant's sockets here, and the number up to which they have been told."""

    seats: dict[UUID, set[Seat]] = field(default_factory=lambda: defaultdict(set))
    told: int | None = None
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hub:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._houses: dict[UUID, _House] = {}
        self._listener = Listener(db.url, channel=repository.CHANNEL, on_notice=self._noticed, on_connect=self._all)
        self._running: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def seat(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[Seat]:
        """From here on everything new of the user's comes into the seat. Raises `TooManyRequests`."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._listener.listen())
        house = self._houses.setdefault(tenant_id, _House())
        if len(house.seats[user_id]) >= MOST_SOCKETS:
            raise TooManyRequests(f"You have {MOST_SOCKETS} sockets open here. Close some.", retryAfter=10)
        seat = Seat(user_id)
        house.seats[user_id].add(seat)
        try:
            async with house.looking:
                async with self._db.tenant(tenant_id) as tx:
                    seat.since = await repository.newest_seq(tx)
                house.told = seat.since if house.told is None else house.told
            yield seat
        finally:
            house.seats[user_id].discard(seat)
            if not house.seats[user_id]:
                del house.seats[user_id]
            if not house.seats and self._houses.get(tenant_id) is house:
                del self._houses[tenant_id]

    async def close(self) -> None:
        tasks = [task for task in (self._running, *self._looks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _noticed(self, payload: str) -> None:
        house = self._houses.get(UUID(payload))
        if house is not None:
            self._look(UUID(payload), house)

    def _all(self) -> None:
        """What came while nobody listened."""
        for tenant_id, house in list(self._houses.items()):
            self._look(tenant_id, house)

    def _look(self, tenant_id: UUID, house: _House) -> None:
        task = asyncio.create_task(self._bring(tenant_id, house))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _bring(self, tenant_id: UUID, house: _House) -> None:
        """All that is newer than what was told, to whoever it is for."""
        async with house.looking:
            while house.seats and house.told is not None:
                try:
                    shown = await self._read(tenant_id, house, house.told)
                except Exception as error:
                    log.warning("hub_waits", error=type(error).__name__)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                for user_id, told in shown:
                    for seat in house.seats.get(user_id, ()):
                        _hand(seat, told)
                if len(shown) < _BATCH:
                    return

    async def _read(self, tenant_id: UUID, house: _House, told: int) -> list[tuple[UUID, dict[str, Any]]]:
        async with self._db.tenant(tenant_id) as tx:
            rows = await repository.after(tx, list(house.seats), told, _BATCH)
            language = (await tenants.tenant(tx)).locale[:2]
            names = await deals.names(tx, {row.deal_id for row in rows if row.deal_id})
        house.told = max([told, *(row.seq for row in rows)])
        return [(row.user_id, message(row, language, names)) for row in rows]


def _hand(seat: Seat, told: dict[str, Any]) -> None:
    if told["seq"] <= seat.since:
        return
    if seat.waiting.qsize() < MOST_BEHIND:
        seat.waiting.put_nowait(told)
    elif seat.waiting.qsize() == MOST_BEHIND:
        seat.waiting.put_nowait(None)


def message(row: Notification, language: str, deals: dict[UUID, str]) -> dict[str, Any]:
    """A notification as it goes over the socket."""
    return {
        "type": "notification", "seq": row.seq, "id": str(row.id), "kind": row.kind, "subject": str(row.subject),
        "deal_id": str(row.deal_id) if row.deal_id else None, "text": words.said(row, language, deals),
        "created_at": row.created_at.isoformat(), "read_at": row.read_at.isoformat() if row.read_at else None,
    }  # fmt: skip
