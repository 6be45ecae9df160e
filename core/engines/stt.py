"""Speech to text by faster-whisper (CTranslate2): the engine, and the shell that makes a `Transcriber` of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engines import whisper_words
from core.kit.errors import BadInput, Unavailable
from core.ports import SAMPLE_RATE_HZ, Heard, Utterance, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LANGUAGES = ("pt", "en")
MAX_WINDOW_S = 30.0

# Below this peak (-54 dBFS) there is nothing to hear, and Whisper would make something up.
_SILENCE_PEAK = 64
# A rest shorter than this after the last word holds no more; hearing it costs a full pass and yields inventions.
_REST_S = 1.0
_WORD_MAX_S = 1.0
_HOLE_S = 1.5
_HOLE_LOUDNESS = 0.3


class FasterWhisper:
    """Holds one model; one call at a time, one thread. `folder` is any faster-whisper model."""

    def __init__(self, folder: Path, *, device: str = "cpu", compute_type: str = "int8", beam_size: int = 1) -> None:
        if not (folder / "model.bin").is_file():
            raise Unavailable(f"There is no speech model in {folder}. Run `salesedge models install`.")
        from faster_whisper import WhisperModel

        self.name = f"faster-whisper:{folder.name}"
        self._beam_size = beam_size
        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=1, num_workers=1, local_files_only=True
        )

    def transcribe(self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()) -> Heard:
        """`pcm`: int16 (samples,), mono, 16 kHz, at most 30 s."""
        import numpy as np

        _check(pcm, language)
        if pcm.size == 0 or int(np.abs(pcm.astype(np.int32)).max()) < _SILENCE_PEAK:
            return Heard(language or LANGUAGES[0], 0.0, (), self.name)
        audio = pcm.astype(np.float32) / np.float32(32768)
        confidence = 1.0
        if language is None:
            language, confidence = self._language(audio)
        said = self._hear(audio, language, hints, timestamps=False)
        if _holes([word for utterance in said for word in utterance.words], audio):
            again = self._hear(audio, language, hints, timestamps=True)
            said = max(said, again, key=lambda found: sum(len(utterance.words) for utterance in found))
        return Heard(language, confidence, tuple(said), self.name)

    def _hear(
        self, audio: NDArray[np.float32], language: str, hints: Sequence[str], *, timestamps: bool
    ) -> list[Utterance]:
        """Without Whisper's own timestamps a window is one pass of the decoder, and has fewer wrong words.

        With them its last sentence is often left open and encoded once more, which takes a third longer; but it jumps
        over no sentence, as the plain pass does at times where the speaker changes.
        """
        segments, _ = self._model.transcribe(
            audio,
            language=language,
            beam_size=self._beam_size,
            temperature=[0.0, 0.4],
            condition_on_previous_text=False,
            without_timestamps=not timestamps,
            word_timestamps=True,
            hotwords=whisper_words.hotwords(hints),
        )
        duration_s = audio.size / SAMPLE_RATE_HZ
        said: list[Utterance] = []
        # The segments come as they are computed: what is not asked for costs nothing.
        for segment in segments:
            said += _utterances(segment, duration_s)
            if segment.end > duration_s - _REST_S:
                break
        return said

    def _language(self, audio: NDArray[np.float32]) -> tuple[str, float]:
        """The likelier of ours, and how much likelier than the others of ours."""
        if not self._model.model.is_multilingual:
            return "en", 1.0
        _, _, found = self._model.detect_language(audio)
        shares = {name: share for name, share in found if name in LANGUAGES}
        best = max(shares, key=lambda name: shares[name])
        return best, shares[best] / (sum(shares.values()) or 1.0)


class LocalTranscriber:
    """A `Transcriber` around an engine in this process. One thread: a second would only slow the first."""

    def __init__(self, engine: FasterWhisper) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stt")

    async def transcribe(
        self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()
    ) -> Heard:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._engine.transcribe(pcm, language=language, hints=hints)
        )


def _check(pcm: NDArray[np.int16], language: str | None) -> None:
    if pcm.ndim != 1 or pcm.dtype.name != "int16":
        raise BadInput(f"Speech must be int16 (samples,), mono, 16 kHz; this is {pcm.dtype.name} {pcm.shape}.")
    if pcm.size > MAX_WINDOW_S * SAMPLE_RATE_HZ:
        raise BadInput(f"A window holds at most {MAX_WINDOW_S:.0f} s. Cut the speech at pauses first.")
    if language is not None and language not in LANGUAGES:
        raise BadInput(f"The language {language!r} is not spoken here. Choose one of {', '.join(LANGUAGES)}.")


def _holes(words: Sequence[Word], audio: NDArray[np.float32]) -> bool:
    """Whether a stretch without words is about as loud as the rest: speech that was jumped over."""
    import numpy as np

    def level(start_s: float, end_s: float) -> float:
        part = audio[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        return float(np.sqrt(np.mean(np.square(part)))) if part.size else 0.0

    duration_s = audio.size / SAMPLE_RATE_HZ
    # A word that seems to last longer has been stretched over what was not written down.
    ends_s = [0.0, *(min(word.end_s, word.start_s + _WORD_MAX_S) for word in words)]
    starts_s = [*(word.start_s for word in words), duration_s]
    holes = [(a, b) for a, b in zip(ends_s, starts_s, strict=True) if b - a >= _HOLE_S]
    return any(level(a, b) >= _HOLE_LOUDNESS * level(0.0, duration_s) for a, b in holes)


def _utterances(segment: Any, duration_s: float) -> list[Utterance]:
    """The sentences of one pass, but for those that are most likely made up."""
    words = whisper_words.whole(segment.words or [], duration_s)
    return [
        Utterance(" ".join(w.text for w in said), said[0].start_s, said[-1].end_s, said, whisper_words.confidence(said))
        for said in whisper_words.believed(words, segment.no_speech_prob)
    ]
