"""Hosts in processes of their own, one of which is killed while the call goes on."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from core.kit.clock import SystemClock
from core.kit.ids import new_id
from core.kit.live_settings import LiveSettings
from core.live import wire
from core.live.client import LiveClient
from core.live.door import LiveDoor
from core.live.store import LiveStore
from core.settings import Settings
from tests.core.live.made import frames, pcm, talk
from tests.core.notifications.conftest import served
from tests.fakes.services import fake_live, fake_services
from tests.support import Api, Client

START = wire.Start(type="start", channels=["seller", "customer"], sample_rate_hz=16_000)
SOUND = frames(pcm(talk(("#" * 25 + "." * 8) * 4), talk("")), 2 * 2 * 1_600)
PATIENCE_S = 10.0  # of a test on a busy machine; a quiet one needs less than two seconds


def hold(settings: Settings, name: str) -> None:
    """The body of such a process, with the times that the product has."""

    async def run() -> None:
        services = fake_services(settings, SystemClock())
        door = fake_live(settings, services.db, services.objects, name=name, times=LiveSettings())
        assert door.host is not None
        await door.host.run()

    asyncio.run(run())


@pytest.fixture
def hosts(settings: Settings) -> Iterator[dict[str, BaseProcess]]:
    spawn = multiprocessing.get_context("spawn")
    found: dict[str, BaseProcess] = {
        name: spawn.Process(target=hold, args=(settings, name), daemon=True) for name in ("one", "two")
    }
    for process in found.values():
        process.start()
    yield found
    for process in found.values():
        process.kill()
        process.join()


async def moment(store: LiveStore) -> None:
    """Wait at the server for something that never comes."""
    await store.events(new_id(), 0, wait_s=0.05)


async def test_a_killed_host_is_followed_by_the_other(
    api: Api, ana: Client, settings: Settings, hosts: dict[str, BaseProcess]
) -> None:
    door = api.services.live = LiveDoor(api.services.live.store, LiveSettings())
    while len(await door.store.hosts()) < len(hosts):
        await moment(door.store)
    async with served(api.services) as port, LiveClient(f"ws://127.0.0.1:{port}", ana.token, START) as live:
        told = live.events()
        started = await anext(told)
        assert isinstance(started, wire.SessionStarted)
        for sound in SOUND[: len(SOUND) // 2]:
            await live.send(sound)
        events: list[Any] = []
        while not events or not isinstance(events[-1], wire.Final):
            events.append(await anext(told))
        [holder] = await door.store.holders([started.session])
        assert holder is not None
        hosts[holder.partition(":")[0]].kill()
        killed_s = time.monotonic()
        for sound in SOUND[len(SOUND) // 2 :]:
            await live.send(sound)
        now: str | None = holder
        while now in (None, holder):
            await moment(door.store)
            [now] = await door.store.holders([started.session])
        followed_s = time.monotonic() - killed_s
        await live.end()
        events += [event async for event in told]
        assert now is not None
        assert now.partition(":")[0] != holder.partition(":")[0]
    assert followed_s < PATIENCE_S
    texts = [event.text for event in events if isinstance(event, wire.Final)]
    assert [len(text.split()) for text in texts] == [5, 5, 5, 5]
    assert len({word for text in texts for word in text.split()}) == 20
    over = events[-1]
    assert isinstance(over, wire.SessionEnded)
    assert over.duration_s == pytest.approx(len(SOUND) / 10)
    print(f"followed after {followed_s:.2f} s")
