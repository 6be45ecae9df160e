"""Letters kept in order for each of many owners, who take turns: one letter a turn, then behind all others who wait.

So whoever gets much is never in front of whoever gets little, and nobody has two letters in hand at once. Knows neither
time nor database: which turn comes next follows from what was sent alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)
Letter = TypeVar("Letter")


class Mailboxes(Generic[Owner, Letter]):
    """`deliver` is called for at most `at_once` owners at a time."""

    def __init__(self, deliver: Callable[[Owner, Letter], Awaitable[None]], *, at_once: int) -> None:
        self._deliver = deliver
        self._at_once = at_once
        self._boxes: dict[Owner, deque[tuple[Letter, asyncio.Future[None]]]] = {}
        self._ready: deque[Owner] = deque()
        self._carriers: set[asyncio.Task[None]] = set()

    async def send(self, owner: Owner, letter: Letter) -> None:
        """Until it was delivered; raises what its delivery raised. Who stops waiting takes back what has not begun."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if owner not in self._boxes:
            self._boxes[owner] = deque()
            self._ready.append(owner)
        self._boxes[owner].append((letter, done))
        if len(self._carriers) < self._at_once:
            carrier = asyncio.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)
        await done

    def waiting(self) -> int:
        """Letters that nobody has in hand."""
        return sum(map(len, self._boxes.values()))

    async def empty(self) -> None:
        """Until all that was sent is delivered."""
        while self._carriers:
            await asyncio.wait(set(self._carriers))

    async def _carry(self) -> None:
        while self._ready:
            owner = self._ready.popleft()
            box = self._boxes[owner]
            letter, done = box.popleft()
            if not done.done():
                await self._hand_over(owner, letter, done)
            if box:
                self._ready.append(owner)
            else:
                del self._boxes[owner]

    async def _hand_over(self, owner: Owner, letter: Letter, done: asyncio.Future[None]) -> None:
        try:
            await self._deliver(owner, letter)
        except Exception as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
