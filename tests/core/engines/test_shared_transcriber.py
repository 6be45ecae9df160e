"""Whose window is heard next, on an engine that hears nothing and waits for the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from core.engines.streaming_stt import SharedTranscriber
from core.engines.streaming_windows import Request
from core.ports_live import Hypothesis

WINDOW = np.zeros(160, np.float32)


@dataclass
class Gated:
    """Notes the prompts of each pass, and ends a pass when it may."""

    passes: list[list[str]] = field(default_factory=list)
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def prepare(self, request: Request) -> Any:
        return SimpleNamespace(request=request, kind=request.language)

    def decode(self, jobs: Sequence[Any]) -> list[Hypothesis]:
        self.passes.append([job.request.prompt for job in jobs])
        self.begun.release()
        assert self.may_end.acquire(timeout=10)
        return [Hypothesis("en", ()) for _ in jobs]


def shared(engine: Gated, *, most: int) -> SharedTranscriber:
    return SharedTranscriber(engine, most=most)


async def begun(engine: Gated, *asking: Any) -> list[asyncio.Task[Hypothesis]]:
    """Asked in this order, the first pass at work."""
    tasks = [asyncio.create_task(one) for one in asking]
    assert await asyncio.to_thread(engine.begun.acquire, timeout=10)
    return tasks


async def test_an_end_goes_before_what_was_asked_earlier_and_waits_for_no_other_kind() -> None:
    engine = Gated()
    stt = shared(engine, most=2)
    tasks = await begun(
        engine,
        stt.decode(WINDOW, language="en", prompt="first"),
        stt.decode(WINDOW, language="en", prompt="second"),
        stt.decode(WINDOW, language="en", prompt="third"),
        stt.decode(WINDOW, language="pt", prompt="end", urgent=True),
        stt.decode(WINDOW, language="pt", prompt="fifth"),
    )
    engine.may_end.release(4)
    found = await asyncio.gather(*tasks)
    assert engine.passes == [["end", "fifth"], ["first", "second"], ["third"]]
    assert [one.waited_s > 0 for one in found] == [True] * 5


async def test_who_asks_again_at_once_is_heard_again() -> None:
    engine = Gated()
    engine.may_end.release(3)
    stt = shared(engine, most=1)
    async with asyncio.timeout(10):
        for number in range(3):
            await stt.decode(WINDOW, language="en", prompt=str(number))
    assert engine.passes == [["0"], ["1"], ["2"]]


async def test_who_gave_up_is_not_heard() -> None:
    engine = Gated()
    stt = shared(engine, most=1)
    tasks = await begun(engine, *(stt.decode(WINDOW, language="en", prompt=str(number)) for number in range(3)))
    tasks[1].cancel()
    engine.may_end.release(3)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert engine.passes == [["0"], ["2"]]
