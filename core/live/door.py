"""Where sessions begin, and where those who bring sockets meet those who hold sessions."""

from __future__ import annotations

import asyncio

from core.kit.errors import Unavailable
from core.kit.live_settings import LiveSettings
from core.live.facts import Facts
from core.live.host import LiveHost
from core.live.store import LiveStore


class LiveDoor:
    """`host`: in this process, where hosts do not live elsewhere; it begins with the first session."""

    def __init__(self, store: LiveStore, settings: LiveSettings, host: LiveHost | None = None) -> None:
        self.store = store
        self.settings = settings
        self.host = host
        self._running: asyncio.Task[None] | None = None

    async def admit(self, facts: Facts) -> None:
        """Open a session. Raises `Unavailable` where no host is there, or all have as many as they can hear in time."""
        self.wake()
        most = await self._most()
        if most is None:
            raise Unavailable("What hears live sessions is starting. Try again in some seconds.", retryAfter=5)
        await self.store.open(facts.session, facts.model_dump(mode="json"), client_s=self.settings.resumable_s)
        if not await self.store.admit(facts.session, most):
            await self.store.forget(facts.session)
            raise Unavailable(
                "As many live sessions are running as can be heard in time. Try again in a minute, or record the call "
                "and upload it.",
                retryAfter=30,
            )

    def wake(self) -> None:
        """Where the host is of this process: let it run."""
        if self.host is not None and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self.host.run())

    async def _most(self) -> int | None:
        """None: no host is there."""
        if self.host is not None:
            return self.host.most()
        hosts = (await self.store.hosts()).values()
        return sum(int(host["most"]) for host in hosts) if hosts else None

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.store.close()
