"""A transport under test, in this process and in others that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core import bootstrap
from core.deals.model import Account
from core.kit.db import Database, Tx
from core.kit.event_settings import EventSettings
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Reaction, Transport, routes
from core.transport import open_transport

REPOSITORY = Path(__file__).parents[2]
MOST_S = 60


async def write_account(event: Event, tx: Tx, services: Any) -> None:
    tx.session.add(Account(id=new_id(), tenant_id=tx.tenant_id, name=str(event.subject), created_at=tx.clock.now()))
    await tx.session.flush()


async def die(event: Event, tx: Tx, services: Any) -> None:
    """Writes, says so, and takes its process with it."""
    await write_account(event, tx, services)
    print("dying", flush=True)
    os.kill(os.getpid(), 9)


async def hang(event: Event, tx: Tx, services: Any) -> None:
    """Writes, says so, and never ends."""
    await write_account(event, tx, services)
    print("hanging", flush=True)
    await asyncio.Event().wait()


class Bench:
    """One transport over one database. Its tests emit, run members and look at what came of it."""

    def __init__(self, db: Database, settings: EventSettings) -> None:
        self.db = db
        self.settings = settings

    def with_reactions(self, *reactions: Reaction) -> None:
        kafka = self.settings.transport == "kafka"
        self.db.routes = routes(reactions, publish_after_s=self.settings.kafka.grace_s if kafka else None)

    def member(self, *reactions: Reaction) -> Transport:
        return open_transport(self.settings, self.db, reactions, None)

    @contextlib.asynccontextmanager
    async def running(self, *reactions: Reaction, members: int = 1) -> AsyncIterator[None]:
        self.with_reactions(*reactions)
        transports = [self.member(*reactions) for _ in range(members)]
        tasks = [asyncio.create_task(transport.run()) for transport in transports]
        try:
            yield
        finally:
            for transport in transports:
                transport.stop()
            await asyncio.gather(*tasks)

    async def emit(self, tenant_id: UUID, count: int = 1, kind: EventType = EventType.DEAL_CREATED) -> list[Event]:
        events = [Event(kind, tenant_id, new_id(), at=self.db.clock.now()) for _ in range(count)]
        for event in events:
            async with self.db.tenant(tenant_id) as tx:
                await tx.emit(event)
        return events

    async def effects(self, tenant_id: UUID) -> list[str]:
        async with self.db.tenant(tenant_id) as tx:
            return list((await tx.session.execute(text("SELECT name FROM accounts ORDER BY id"))).scalars())

    async def deliveries(self, reaction: str) -> list[tuple[str, int]]:
        """Status and attempts."""
        query = text("SELECT status, attempts FROM deliveries WHERE reaction = :reaction ORDER BY seq")
        async with self.db.system() as tx:
            return [(row.status, row.attempts) for row in await tx.session.execute(query, {"reaction": reaction})]

    async def until_done(self, reaction: str, count: int, status: str = "done") -> None:
        async def all_done() -> bool:
            return [status for status, _ in await self.deliveries(reaction)].count(status) == count

        async with asyncio.timeout(MOST_S):
            while not await stubbornly(all_done):
                pass


async def stubbornly(ask: Callable[[], Any]) -> Any:
    """As every caller does it whose database comes back."""
    for _ in range(200):
        try:
            return await ask()
        except Exception:
            await asyncio.sleep(0)
    return await ask()


def names(events: Iterable[Event]) -> list[str]:
    return sorted(str(event.subject) for event in events)


class Process:
    """A member in a process of its own: `python -m tests.contracts.transports`."""

    def __init__(self, settings: EventSettings, url: str, what: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "tests.contracts.transports", settings.model_dump_json(), url, what]
        self._process = subprocess.Popen(
            command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    async def says(self) -> str:
        """Its next line; empty where it ended."""
        assert self._process.stdout is not None
        async with asyncio.timeout(MOST_S):
            return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


async def _main(arguments: Sequence[str]) -> None:
    bootstrap.load_models()
    settings, url, what = arguments
    reaction = Reaction("write", EventType.DEAL_CREATED, {"die": die, "hang": hang}[what])
    bench = Bench(Database(url), EventSettings.model_validate_json(settings))
    await bench.member(reaction).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
