"""Recordings for the benches of the live assistant, played as fast as they were spoken."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.engines.vad import SileroVad
from core.kit import audio
from core.live.heard import Heard
from core.live.hearing import Listener
from core.ports import SAMPLE_RATE_HZ
from core.settings import configs_dir
from tests.bench.harness import DATA, MODELS
from tests.bench.wer import clips

FRAME_S = 0.1
REST_S = 2.0  # of silence behind each, as long as somebody waits for an answer
_DEMO_S = 30


def model() -> Path:
    """A faster-whisper model: BENCH_LIVE_MODEL, or the one that comes with us."""
    return Path(os.environ.get("BENCH_LIVE_MODEL", MODELS / "whisper-base"))


@dataclass(frozen=True, slots=True)
class Clip:
    """`sound`: float32 (samples,), 16 kHz, without the rest behind. `text`: what is said, where it is known."""

    language: str
    sound: NDArray[np.float32]
    text: str | None
    end_s: float  # of the speech in it

    @property
    def seconds(self) -> float:
        return len(self.sound) / SAMPLE_RATE_HZ


def chosen(folder: str, most: int) -> list[Clip]:
    """Some of a set, all over it."""
    language = folder.rsplit("_", 1)[-1]
    known = list(clips(DATA / folder))
    step = max(1, len(known) // most)
    return [_clip(language, pcm, text) for pcm, text in known[::step][:most]]


def calls() -> Iterator[Clip]:
    """The beginnings of telephone calls, real ones and the demo's, one channel of each."""
    files = [(path, "pt" if "pt" in path.stem else "en") for path in sorted((DATA / "calls").glob("*.flac"))]
    files += [(configs_dir() / "demo" / f"call_{language}.opus", language) for language in ("en", "pt")]
    for path, language in files:
        pcm = asyncio.run(audio.decode(path, max_decoded_s=600, timeout_s=60))
        yield _clip(language, pcm.samples[0, : _DEMO_S * SAMPLE_RATE_HZ], None)


def _clip(language: str, pcm: NDArray[np.int16], text: str | None) -> Clip:
    spans = SileroVad().speech(pcm)
    end_s = spans[-1].end_s if spans else 0.0
    pad_s = 0.2 if end_s < len(pcm) / SAMPLE_RATE_HZ else 0.0  # the detector's, where there was room for it
    return Clip(language, pcm.astype(np.float32) / 32768, text, end_s - pad_s)


@dataclass(slots=True)
class Played:
    """What was heard, and when: seconds from the first sample."""

    clip: Clip
    events: list[tuple[float, Heard]] = field(default_factory=list)

    @property
    def finals(self) -> list[tuple[float, Heard]]:
        return [(at_s, one) for at_s, one in self.events if one.kind == "final" and one.words]

    @property
    def text(self) -> str:
        return " ".join(one.text for _, one in self.finals)

    @property
    def final_s(self) -> float | None:
        """From the end of speech to the last final."""
        return self.finals[-1][0] - self.clip.end_s if self.finals else None

    def first_seen_s(self) -> list[float]:
        """For each word of the finals: from its end to when a word stood in its place for the first time."""
        found = []
        for _, final in self.finals:
            mine = [(at_s, one) for at_s, one in self.events if one.utterance == final.utterance]
            shown, stable = [(0.0, 0)], 0
            for at_s, one in mine:
                stable = len(one.words) or stable
                shown.append((at_s, stable + (len(one.text.split()) if one.kind == "partial" else 0)))
            for place, word in enumerate(final.words):
                found.append(next(at_s for at_s, count in shown if count > place) - word.end_s)
        return found


async def in_time(sound: NDArray[np.float32], begun: float) -> AsyncIterator[NDArray[np.float32]]:
    """The sound and the rest behind it in frames, each once it was spoken; what is late, in one go."""
    whole = np.concatenate([sound, np.zeros(round(REST_S * SAMPLE_RATE_HZ), np.float32)])
    size, at = round(FRAME_S * SAMPLE_RATE_HZ), 0
    while at < len(whole):
        due = begun + min(at + size, len(whole)) / SAMPLE_RATE_HZ
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        spoken = round((time.perf_counter() - begun) * SAMPLE_RATE_HZ) // size * size
        end = max(at + size, spoken)
        yield whole[at:end]
        at = end


async def play(clip: Clip, listener: Listener) -> Played:
    """At the speed of speech: what is late waits, as it would at a socket."""
    played, begun = Played(clip), time.perf_counter()
    async for frame in in_time(clip.sound, begun):
        played.events += [(time.perf_counter() - begun, one) for one in await listener.hear(frame)]
    played.events += [(time.perf_counter() - begun, one) for one in await listener.finish()]
    return played


async def play_all(parts: Sequence[Clip], listen: Callable[[Clip], Listener]) -> list[Played]:
    return [await play(clip, listen(clip)) for clip in parts]
