"""How waiting becomes pressure, and goes away again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.live.hearing import ALL, LONG_STEPS, NO_PARTIALS
from core.live.pressure import Gauge
from core.ports_live import Hypothesis
from tests.fakes.engines import FakeStreamTranscriber

WINDOW = np.zeros(512, np.float32)


class Busy(FakeStreamTranscriber):
    """Lets windows wait as long as it is told, on a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.waits_s = 0.0
        self.takes_s = 0.2

    async def decode(self, *window: object, **more: object) -> Hypothesis:
        self.now_s += self.waits_s + self.takes_s
        return replace(await super().decode(*window, **more), waited_s=self.waits_s)  # type: ignore[arg-type]


async def test_pressure_rises_in_steps_with_waiting_and_falls_later_than_it_rose() -> None:
    busy = Busy()
    gauge = Gauge(busy, now=lambda: busy.now_s)
    levels = []
    for waits_s in (0.0, 0.2, 0.8, 0.25, 0.15, 0.07, 0.01):
        busy.waits_s = waits_s
        for _ in range(40):
            await gauge.decode(WINDOW)
        levels.append((gauge.level(), gauge.full))
    assert levels == [
        (ALL, False), (NO_PARTIALS, False), (LONG_STEPS, True), (LONG_STEPS, False), (NO_PARTIALS, False),
        (NO_PARTIALS, False), (ALL, False),
    ]  # fmt: skip


async def test_who_is_alone_on_a_slow_machine_is_no_pressure() -> None:
    busy = Busy()
    busy.takes_s = 3.0
    gauge = Gauge(busy, now=lambda: busy.now_s)
    for _ in range(10):
        await gauge.decode(WINDOW)
    assert (gauge.level(), gauge.full) == (ALL, False)


async def test_pressure_is_forgotten_when_nobody_asks_any_more() -> None:
    busy = Busy()
    gauge = Gauge(busy, now=lambda: busy.now_s)
    busy.waits_s = 3.0
    for _ in range(10):
        await gauge.decode(WINDOW)
    assert (gauge.level(), gauge.full) == (LONG_STEPS, True)
    busy.now_s += 6.0
    assert (gauge.level(), gauge.full) == (ALL, False)
