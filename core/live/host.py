"""Holds live sessions in one process. What it knows of them is in the store, so a session that its host leaves or that
dies with it is taken up by whichever host sees first that nobody holds it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID

from core.kit.errors import NotFound, SalesEdgeError, Unavailable
from core.kit.ids import new_id
from core.kit.live_settings import LiveSettings
from core.kit.log import logger
from core.live.facts import Facts
from core.live.keep import Keeper, Making, Overtaken
from core.live.store import LiveStore
from core.ports import Clock

log = logger("live")
REPORT_S = 2.0
_MOST_FAILURES = 4
# Seconds after which sound was heard → how much is left out: nothing, partials, every second step.
_PRESSURE = (0.8, 1.5)
_SMOOTH = 0.3


class LiveHost:
    """`run` it until it is cancelled, or until `leave` was called and every session has gone elsewhere."""

    def __init__(
        self, name: str, store: LiveStore, making: Making, settings: LiveSettings, clock: Clock, *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.name = name
        self.token = f"{name}:{new_id()}"
        self._store, self._making, self._settings, self._clock = store, making, settings, clock
        self._sleep = sleep
        self._keepers: dict[UUID, Keeper] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._failures: Counter[UUID] = Counter()
        self._seen: Counter[UUID] = Counter()  # looks in which nobody held it
        self._behind_s = 0.0
        self._leaving = False

    def held(self) -> list[UUID]:
        return list(self._tasks)

    def pressure(self) -> int:
        """How much must be left out, for sound to be heard in time: 0, 1 or 2."""
        return sum(self._behind_s >= limit_s for limit_s in _PRESSURE)

    def most(self) -> int:
        """How many sessions it will hold. One that cannot hear them in time takes no more than it has."""
        busy = self._leaving or self.pressure() > 1 or self._making.is_full()
        return len(self._tasks) if busy else self._settings.sessions_per_host

    async def run(self) -> None:
        looks = 0
        warming = asyncio.create_task(self._warm())
        try:
            while not (self._leaving and not self._tasks):
                try:
                    await self._look()
                    if looks % max(1, round(REPORT_S / 2 / self._settings.look_s)) == 0:
                        await self._report()
                except Unavailable:
                    log.warning("live_store_away", host=self.name)
                looks += 1
                await self._sleep(self._settings.look_s)
        finally:
            warming.cancel()
            await self._stop(list(self._tasks))
            await self._store.withdraw(self.name)

    async def leave(self) -> None:
        """Hold nothing more; what is held goes to others at once."""
        self._leaving = True
        sessions = list(self._tasks)
        await self._stop(sessions)
        for session in sessions:
            await self._store.release(session, self.token)

    async def forsaken(self, token: str) -> None:
        """Whoever holds sessions under that token is dead: they need not wait for the end of his lease."""
        running = await self._store.running()
        for session, holder in zip(running, await self._store.holders(running), strict=True):
            if holder == token:
                await self._store.release(session, token)

    async def _warm(self) -> None:
        try:
            if self._making.warm is not None:
                await self._making.warm()
        except SalesEdgeError as error:  # then the first session waits
            log.warning("live_host_cold", host=self.name, error=type(error).__name__)

    async def _look(self) -> None:
        """Go on holding what is held, and take what nobody holds."""
        lost = await self._store.renew(list(self._tasks), self.token, lease_s=self._settings.lease_s)
        await self._stop([session for session in lost if session in self._tasks])
        late = [keeper.behind_s for keeper in self._keepers.values()]
        self._behind_s += _SMOOTH * (max(late, default=0.0) - self._behind_s)
        if self._leaving:
            return
        running = await self._store.running()
        holders = await self._store.holders(running)
        alone = {session for session, holder in zip(running, holders, strict=True) if holder is None}
        self._seen = Counter({session: self._seen[session] + 1 for session in alone})
        for session in running:
            if session in alone and len(self._tasks) < self._settings.sessions_per_host:
                await self._take(session)

    async def _take(self, session: UUID) -> None:
        if session in self._tasks or self._seen[session] < 1 + min(2, len(self._tasks)):
            return  # who holds fewer comes first
        if not await self._store.hold(session, self.token, lease_s=self._settings.lease_s):
            return
        try:
            facts = Facts.model_validate((await self._store.kept(session)).facts)
        except NotFound:
            await self._store.forget(session)
            return
        keeper = Keeper(facts, self.token, self._store, self._making, self._settings, self._clock, self.pressure)
        self._keepers[session] = keeper
        task = asyncio.create_task(self._keep(session, keeper))
        self._tasks[session] = task
        task.add_done_callback(lambda _: self._gone(session, task))
        log.info("live_session_taken", session=str(session), host=self.name)

    def _gone(self, session: UUID, task: asyncio.Task[None]) -> None:
        if self._tasks.get(session) is task:
            del self._tasks[session], self._keepers[session]

    async def _keep(self, session: UUID, keeper: Keeper) -> None:
        try:
            await keeper.run()
            return
        except Overtaken:
            log.info("live_session_overtaken", session=str(session), host=self.name)
            return
        except SalesEdgeError as error:
            log.warning("live_session_fell", session=str(session), error=type(error).__name__)
        except Exception as error:
            log.error("live_session_fell", session=str(session), error=type(error).__name__, exc_info=error)
        self._failures[session] += 1
        try:
            if self._failures[session] >= _MOST_FAILURES:
                await keeper.give_up()
            await self._store.release(session, self.token)
        except Exception as error:
            log.error("live_session_left", session=str(session), error=type(error).__name__, exc_info=error)

    async def _stop(self, sessions: list[UUID]) -> None:
        tasks = [self._tasks[session] for session in sessions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _report(self) -> None:
        said = {"held": len(self._tasks), "most": self.most(), "pressure": self.pressure()}
        await self._store.report(self.name, said, lives_s=REPORT_S * 2)
