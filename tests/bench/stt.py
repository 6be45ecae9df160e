"""Speech to text through the graph, against faster-whisper called directly on the same audio with the same options."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.calls.turns import plan
from core.engines.vad import SileroVad
from core.ports import SAMPLE_RATE_HZ
from tests.bench.harness import MODELS, cluster, line

LENGTH_S = 240


def run() -> None:
    pcm = _audio()
    seconds = len(pcm) / SAMPLE_RATE_HZ
    with cluster() as running:
        alone_s, both_s = asyncio.run(_graph(running, [[pcm], [pcm, pcm]]))
    peer_s = _direct(pcm)
    rate, peer_rate = seconds / alone_s, seconds / peer_s
    line("stt", "throughput", rate, "audio s/s", "faster-whisper directly", peer_rate, more_is_better=True)
    rate = 2 * seconds / both_s
    line("stt", "throughput_2_streams", rate, "audio s/s", "faster-whisper directly", peer_rate, more_is_better=True)


def _audio() -> NDArray[np.int16]:
    """Recordings by many people where the data is there, else the demo call; mono, 16 kHz."""
    import soundfile

    from core.settings import configs_dir
    from tests.bench.harness import DATA

    files = sorted((DATA / "asr_en").rglob("*.flac")) or [configs_dir() / "demo" / "call_en.opus"]
    parts: list[NDArray[Any]] = []
    total = 0
    for path in files:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
        if rate != SAMPLE_RATE_HZ:
            import soxr

            samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
        parts += [samples[:, 0].astype(np.int16), np.zeros(SAMPLE_RATE_HZ // 2, np.int16)]
        total += len(parts[-2]) + len(parts[-1])
        if total >= LENGTH_S * SAMPLE_RATE_HZ:
            break
    return np.concatenate(parts)[: LENGTH_S * SAMPLE_RATE_HZ]


async def _graph(running: Any, rounds: list[list[NDArray[np.int16]]]) -> list[float]:
    """VAD, windows and the handle of the deployment, as the reaction does it; seconds each round took."""
    from ray import serve

    from cluster.local import APP
    from deployments.clients import RemoteTranscriber

    transcriber = RemoteTranscriber(serve.get_deployment_handle("stt", APP))
    await transcriber.transcribe(rounds[0][0][:SAMPLE_RATE_HZ], language="en")

    async def one(pcm: NDArray[np.int16]) -> None:
        windows = plan(0, await asyncio.to_thread(SileroVad().speech, pcm))
        free = asyncio.Semaphore(2)

        async def hear(window: Any) -> None:
            async with free:
                await transcriber.transcribe(window.cut(pcm[None, :]), language="en")

        await asyncio.gather(*(hear(window) for window in windows))

    took = []
    for streams in rounds:
        begun = time.perf_counter()
        await asyncio.gather(*(one(pcm) for pcm in streams))
        took.append(time.perf_counter() - begun)
    return took


def _direct(pcm: NDArray[np.int16]) -> float:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(MODELS / "whisper-base"), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
    sound = pcm.astype(np.float32) / 32768
    begun = time.perf_counter()
    segments, _ = model.transcribe(
        sound, language="en", beam_size=1, word_timestamps=True, condition_on_previous_text=False, vad_filter=True
    )
    assert sum(len(segment.text) for segment in segments) > 0
    return time.perf_counter() - begun
