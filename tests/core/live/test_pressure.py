"""How slow answers become pressure, and go away again."""

from __future__ import annotations

import numpy as np

from core.live.hearing import ALL, LONG_STEPS, NO_PARTIALS
from core.live.pressure import Gauge
from core.ports_live import Hypothesis
from tests.fakes.engines import FakeStreamTranscriber

WINDOW = np.zeros(512, np.float32)


class Slow(FakeStreamTranscriber):
    """Takes as long as it is told, on a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.takes_s = 0.1

    async def decode(self, *window: object, **more: object) -> Hypothesis:
        self.now_s += self.takes_s
        return await super().decode(*window, **more)  # type: ignore[arg-type]


async def test_pressure_rises_in_steps_with_slow_answers_and_falls_later_than_it_rose() -> None:
    slow = Slow()
    gauge = Gauge(slow, now=lambda: slow.now_s)
    levels = []
    for takes_s in (0.1, 1.1, 2.4, 1.0, 0.75, 0.1):
        slow.takes_s = takes_s
        for _ in range(40):
            await gauge.decode(WINDOW)
        levels.append((gauge.level(), gauge.full))
    assert levels == [
        (ALL, False), (NO_PARTIALS, True), (LONG_STEPS, True), (NO_PARTIALS, True), (NO_PARTIALS, False), (ALL, False)
    ]  # fmt: skip


async def test_pressure_is_forgotten_when_nobody_asks_any_more() -> None:
    slow = Slow()
    gauge = Gauge(slow, now=lambda: slow.now_s)
    slow.takes_s = 3.0
    for _ in range(10):
        await gauge.decode(WINDOW)
    assert (gauge.level(), gauge.full) == (LONG_STEPS, True)
    slow.now_s += 6.0
    assert (gauge.level(), gauge.full) == (ALL, False)
