"""How many sessions at once one model and one thread bear, in passes as the profile `cpu` has them: the most for which
the p95 of end of speech to final stays under 1.5 s. Goals are for the tiny English model: BENCH_LIVE_MODEL names its
folder."""

from __future__ import annotations

import asyncio
import itertools
import os

from core.engines.streaming_stt import SharedTranscriber, StreamingWhisper
from core.engines.vad import SileroMeter
from core.live.hearing import Listener
from core.live.pressure import Gauge
from core.ports import Side
from core.settings import placement
from tests.bench import live_audio
from tests.bench.harness import line, quantile
from tests.bench.live_audio import Clip, Played

LIMIT_S = 1.5
ROUNDS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
CLIPS = 3  # each session plays
GOAL = 4


def run() -> None:
    engine, batch = StreamingWhisper(live_audio.model()), placement("cpu").live_stt.batch
    clips = live_audio.chosen("asr_en", 24)
    borne = 0
    for sessions in ROUNDS:
        p95_s = asyncio.run(_p95_s(SharedTranscriber(engine, most=batch), clips, sessions))
        print(f"# live_load: {sessions} sessions, p95 {p95_s:.2f} s", flush=True)
        if p95_s >= LIMIT_S:
            break
        borne = sessions
    line("live_load", "sessions", borne, "sessions", f"goal, load {os.getloadavg()[0]:.1f}", GOAL, more_is_better=True)


async def _p95_s(transcriber: SharedTranscriber, clips: list[Clip], sessions: int) -> float:
    """All share a model, as they do on a replica, and begin one after another."""
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
