"""Speech to text with Whisper on CTranslate2 (faster-whisper)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.kit.errors import Unavailable
from core.ports import Heard, Utterance, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LANGUAGES = ("pt", "en")
_MOST_HINTS = 40


class FasterWhisper:
    """One model on one thread. `folder`: any faster-whisper model directory."""

    def __init__(self, folder: Path, *, device: str = "cpu", compute_type: str = "int8") -> None:
        if not (folder / "model.bin").is_file():
            raise Unavailable(f"There is no speech model in {folder.name}. Run `salesedge models install`.")
        from faster_whisper import WhisperModel

        self.name = f"faster-whisper:{folder.name}"
        self._model = WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=1, num_workers=1)

    def transcribe(self, pcm: NDArray[np.int16], *, language: str | None, hints: Sequence[str]) -> Heard:
        """`pcm`: int16 (samples,), mono, 16 kHz, at most 30 s of speech."""
        import numpy as np

        sound = pcm.astype(np.float32) / 32768
        confidence = 1.0
        if language is None:
            language, confidence = self._language(sound)
        segments, _ = self._model.transcribe(
            sound, language=language, beam_size=1, word_timestamps=True, condition_on_previous_text=False,
            hotwords=", ".join(hints[:_MOST_HINTS]) or None, without_timestamps=False, vad_filter=False,
        )  # fmt: skip
        return Heard(language, confidence, tuple(_utterance(s) for s in segments if _is_speech(s)), self.name)

    def _language(self, sound: NDArray[np.float32]) -> tuple[str, float]:
        """The likeliest of the languages that the product speaks."""
        _, _, odds = self._model.detect_language(audio=sound)
        known = {name: p for name, p in odds if name in LANGUAGES}
        total = sum(known.values()) or 1.0
        best = max(known, key=lambda name: known[name])
        return best, known[best] / total


class LocalTranscriber:
    """`Transcriber` over an engine in this process: one thread, so one window at a time, off the event loop."""

    def __init__(self, engine: FasterWhisper) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stt")

    async def transcribe(
        self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()
    ) -> Heard:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: self._engine.transcribe(pcm, language=language, hints=hints)
        )


def _is_speech(segment: Any) -> bool:
    """Whisper invents text in silence: such segments are unsure of being speech and of their words."""
    unsure = segment.no_speech_prob > 0.6 and segment.avg_logprob < -1.0
    looping = segment.compression_ratio > 2.8
    return bool(segment.text.strip()) and not unsure and not looping


def _utterance(segment: Any) -> Utterance:
    words = tuple(
        Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
        for word in segment.words or ()
        if word.word.strip()
    )
    return Utterance(
        segment.text.strip(), float(segment.start), float(segment.end), words, math.exp(min(0.0, segment.avg_logprob))
    )
