"""Word error rate and throughput of our path from sound to words (loudness, VAD, windows, engine), and of
faster-whisper called directly on the same audio with the same options.

    python -m tests.bench.wer [asr_en asr_pt]     JSON lines; data from SALESEDGE_DATA, models from SALESEDGE_MODELS
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from core.calls import turns
from core.engines.stt import FasterWhisper
from core.engines.vad import SileroVad
from core.kit import audio
from core.ports import SAMPLE_RATE_HZ

Samples = NDArray[np.int16]

DATA = Path(os.environ.get("SALESEDGE_DATA", "../shared/data"))
MODELS = Path(os.environ.get("SALESEDGE_MODELS", ".salesedge/models"))


def plain(text: str) -> str:
    """Lower case, no punctuation."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower().replace("'", "").replace("\u2019", "")).split())


def clips(folder: Path) -> Iterator[tuple[Samples, str]]:
    """int16 (samples,), 16 kHz, and what is said."""
    for manifest in sorted(folder.rglob("manifest.csv")):
        with manifest.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                pcm = asyncio.run(audio.decode(manifest.parent / row["file"], max_decoded_s=600, timeout_s=60))
                yield pcm.samples[0], row["text"]


def ours(engine: FasterWhisper, detector: SileroVad, pcm: Samples, language: str | None) -> str:
    """The steps that a call goes through for one channel."""
    sound = audio.loudness_normalise(pcm[np.newaxis])
    windows = turns.plan(0, detector.speech(sound[0]))
    heard = [engine.transcribe(window.cut(sound), language=language, hints=()) for window in windows]
    return " ".join(utterance.text for answer in heard for utterance in answer.utterances)


def direct(model: WhisperModel, pcm: Samples, language: str | None) -> str:
    segments, _ = model.transcribe(
        pcm.astype(np.float32) / 32768, language=language, beam_size=1, temperature=[0.0, 0.4],
        condition_on_previous_text=False, word_timestamps=True, hallucination_silence_threshold=2.0,
    )  # fmt: skip
    return " ".join(segment.text for segment in segments)


def measure(folder: Path) -> dict[str, Any]:
    """WER clip by clip; WER and throughput on all clips in one recording, half a second apart."""
    language = folder.name.rsplit("_", 1)[-1]
    known = list(clips(folder))
    engine, detector = FasterWhisper(MODELS / "whisper-base"), SileroVad()
    model = WhisperModel(str(MODELS / "whisper-base"), device="cpu", compute_type="int8", cpu_threads=1)
    pause = np.zeros(SAMPLE_RATE_HZ // 2, np.int16)
    whole = np.concatenate([part for pcm, _ in known for part in (pcm, pause)])
    texts = [plain(text) for _, text in known]
    ways: dict[str, Callable[[Samples], str]] = {
        "pipeline": lambda pcm: ours(engine, detector, pcm, language),
        "direct": lambda pcm: direct(model, pcm, language),
    }
    found: dict[str, Any] = {"set": folder.name, "clips": len(known), "audio_s": round(whole.size / SAMPLE_RATE_HZ, 1)}
    for name, way in ways.items():
        way(known[0][0])
        started = time.perf_counter()
        heard = plain(way(whole))
        took_s = time.perf_counter() - started
        found[f"{name}_throughput"] = round(whole.size / SAMPLE_RATE_HZ / took_s, 2)
        found[f"{name}_wer_whole"] = round(jiwer.wer(" ".join(texts), heard), 4)
        found[f"{name}_wer_clips"] = round(jiwer.wer(texts, [plain(way(pcm)) for pcm, _ in known]), 4)
    found["throughput_ratio"] = round(found["pipeline_throughput"] / found["direct_throughput"], 3)
    return found


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ["asr_en", "asr_pt"]:
        print(json.dumps(measure(DATA / chosen)), flush=True)
