"""How many sessions at once the replicas of the profile `cpu` bear: the most for which the
p95 of end of speech to final stays under 1.5 s. Goals are for the tiny English model on two cores: BENCH_LIVE_MODEL
names its folder."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.streaming_quick import QuickWhisper
from core.engines.streaming_stt import SharedTranscriber
from core.engines.vad import SileroMeter
from core.live.hearing import Listener
from core.live.pressure import Gauge
from core.ports import Side
from core.ports_live import Hypothesis, StreamTranscriber
from core.settings import placement
from tests.bench import live_audio
from tests.bench.harness import line, quantile
from tests.bench.live_audio import Clip, Played

LIMIT_S = 1.5
ROUNDS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
CLIPS = 3  # each session plays
GOAL = 4


class _Replicas:
    """As Serve's router: each window goes to the replica that has the fewest."""

    def __init__(self, engines: Sequence[QuickWhisper], *, most: int) -> None:
        self._replicas = [SharedTranscriber(engine, most=most) for engine in engines]
        self._asked = [0] * len(engines)

    async def decode(self, window: NDArray[np.float32], **how: Any) -> Hypothesis:
        number = self._asked.index(min(self._asked))
        self._asked[number] += 1
        try:
            return await self._replicas[number].decode(window, **how)
        finally:
            self._asked[number] -= 1


def run() -> None:
    part = placement("cpu").live_stt
    engines = [QuickWhisper(live_audio.model(), threads=part.threads) for _ in range(part.min_replicas)]
    clips = live_audio.chosen("asr_en", 24)
    borne = 0
    for sessions in ROUNDS:
        p95_s = asyncio.run(_p95_s(_Replicas(engines, most=part.batch), clips, sessions))
        print(f"# live_load: {sessions} sessions, p95 {p95_s:.2f} s", flush=True)
        if p95_s >= LIMIT_S:
            break
        borne = sessions
    line("live_load", "sessions", borne, "sessions", f"goal, load {os.getloadavg()[0]:.1f}", GOAL, more_is_better=True)


async def _p95_s(transcriber: StreamTranscriber, clips: list[Clip], sessions: int) -> float:
    """All share the replicas, and begin one after another."""
    gauge = Gauge(transcriber)
    source = itertools.cycle(clips)

    def listen(clip: Clip) -> Listener:
        return Listener(gauge, SileroMeter(), side=Side.SELLER, language=clip.language, pressure=gauge.level)

    async def session(number: int) -> list[Played]:
        mine = [next(source) for _ in range(CLIPS)]
        await asyncio.sleep(number * 0.7)
        return await live_audio.play_all(mine, listen)

    played = [one for found in await asyncio.gather(*map(session, range(sessions))) for one in found]
    return quantile([one.final_s for one in played if one.final_s is not None], 0.95)
