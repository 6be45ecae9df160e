"""A call while it goes on, through the whole house at the speed of speech: whoever hears it, holds it or brings its
sound is killed, and its connection cut."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from actors.live_host import live_reports
from core.live import wire
from core.live.client import LiveClient
from core.live.store import LiveStore
from core.settings import configs_dir
from tests.e2e.house import House, User, wait

pytestmark = [pytest.mark.cluster, pytest.mark.weights]
FRAME_S = 0.1
START = wire.Start(type="start", channels=["seller", "customer"], sample_rate_hz=16_000, language="en")


def demo(begin_s: float, length_s: float) -> NDArray[np.int16]:
    """int16 (samples, 2), 16 kHz, of the English demonstration call."""
    samples, rate = soundfile.read(configs_dir() / "demo" / "call_en.opus", dtype="float32")
    cut = samples[round(begin_s * rate) : round((begin_s + length_s) * rate)]
    return np.asarray(np.round(soxr.resample(cut, rate, 16_000) * 32_000), np.int16)


Misfortune = Callable[[LiveClient], Awaitable[Any]]


async def talk(
    house: House, user: User, sound: NDArray[np.int16], misfortunes: Mapping[float, Misfortune]
) -> dict[str, Any]:
    """Plays it, and lets happen what does at which second; gives the events, when each came, how old each final was
    and when what happened."""
    url = house.cluster.url.replace("http", "ws", 1)
    token = user.http.headers["Authorization"].removeprefix("Bearer ")
    size = round(FRAME_S * 16_000)
    found: dict[str, Any] = {"events": [], "ages": [], "happened": []}
    due = dict(misfortunes)
    async with LiveClient(url, token, START) as live:
        begun = time.monotonic()

        async def play() -> None:
            for number, at in enumerate(range(0, len(sound), size), start=1):
                await live.send(sound[at : at + size].tobytes())
                await asyncio.to_thread(wait, partial(reached, begun + number * FRAME_S))
                for at_s in [at_s for at_s in due if at_s <= number * FRAME_S]:
                    await due.pop(at_s)(live)
                    found["happened"].append(time.monotonic() - begun)
            await live.end()

        playing = asyncio.create_task(play())
        async for event in live.events():
            now_s = time.monotonic() - begun
            found["events"].append((now_s, event))
            if isinstance(event, wire.Final) and event.words:
                found["ages"].append(round(now_s - event.words[-1].end_s, 2))
        await playing
    assert not due
    return found


async def hosts(house: House) -> dict[str, Any]:
    """That hear sessions by now."""
    assert house.settings.redis.url is not None
    store = LiveStore(house.settings.redis.url.get_secret_value())
    try:
        return await store.hosts()
    finally:
        await store.close()


def reached(at_s: float) -> bool:
    return time.monotonic() >= at_s


def kill_holder(house: House) -> None:
    [report] = [one for one in live_reports(house.settings) if one.sessions]
    os.kill(report.pid, signal.SIGKILL)


def kill_one(house: House, deployment: str) -> None:
    os.kill(house.processes(f"ServeReplica:salesedge:{deployment}")[0].pid, signal.SIGKILL)


def test_whatever_is_killed_or_cut_nothing_is_lost(house: House) -> None:
    user = house.tenant()
    wait(lambda: bool(asyncio.run(hosts(house))))
    sound = demo(0, 56)
    misfortunes: dict[float, Misfortune] = {
        14: lambda live: asyncio.to_thread(kill_holder, house),
        26: lambda live: asyncio.to_thread(kill_one, house, "live_stt"),
        37: lambda live: asyncio.to_thread(kill_one, house, "ingress"),
        48: lambda live: live.drop(),
    }
    found = asyncio.run(talk(house, user, sound, misfortunes))
    events = [event for _, event in found["events"]]
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    finals = [(event.side, event.utterance) for event in events if isinstance(event, wire.Final)]
    assert len(finals) == len(set(finals)) >= 6
    told: dict[Any, str] = {}
    for event in events:
        if isinstance(event, wire.Stable | wire.Final):
            assert event.text.startswith(told.get((event.side, event.utterance), "")), event
            told[event.side, event.utterance] = event.text
    heard = " ".join(text for (side, _), text in told.items() if side == "seller").lower()
    assert "target" in heard or "deals" in heard, heard
    after = [min(at_s for at_s, _ in found["events"] if at_s > then) - then for then in found["happened"]]
    print("next event after each", np.round(after, 2), "s; ages of finals", found["ages"])
    over = events[-1]
    assert isinstance(over, wire.SessionEnded)
    audio = user.http.get(f"/v1/calls/{over.call_id}/audio").content
    kept, rate = soundfile.read(io.BytesIO(audio), dtype="int16")
    assert rate == 16_000
    assert np.array_equal(kept, sound)
    assert user.finished(str(over.call_id))["status"] == "ready"
