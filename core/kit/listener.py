"""Hears of commits through PostgreSQL's NOTIFY, for as long as it runs, over any number of lost connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psycopg
from sqlalchemy import make_url

from core.kit import outbox
from core.kit.log import logger
from core.kit.retry import backoff_s

log = logger("listener")


class Listener:
    """`only`: the notices that count; all where empty. `on_notice` is called with what each says, `on_connect` where
    some may have been missed."""

    def __init__(
        self, url: str, *, channel: str = outbox.CHANNEL, only: frozenset[str] = frozenset(),
        on_notice: Callable[[str], None] | None = None, on_connect: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._channel = channel
        self._on_notice = on_notice
        self._on_connect = on_connect
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._only = only
        self._changed = asyncio.Condition()
        self.heard = 0
        """Counts up; what was read before looking for work is handed to `wait`."""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.listen())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait(self, seen: int, most_s: float) -> None:
        """Until something was heard after `seen`, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s), self._changed:
                await self._changed.wait_for(lambda: self.heard != seen)

    async def signal(self) -> None:
        """As if a notice had come."""
        async with self._changed:
            self.heard += 1
            self._changed.notify_all()

    async def listen(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {self._channel}")
                    failures = 0
                    await self.signal()  # what was committed while nobody listened
                    if self._on_connect is not None:
                        self._on_connect()
                    async for notice in connection.notifies():
                        if not self._only or notice.payload in self._only:
                            await self.signal()
                            if self._on_notice is not None:
                                self._on_notice(notice.payload)
            except psycopg.Error as error:
                failures += 1
                log.warning("listener_waits", error=type(error).__name__, failures=failures)
                await asyncio.sleep(backoff_s(failures, base_s=0.1, most_s=5.0))
