"""A window of a running call in Whisper's terms: what every engine that hears windows shares."""

from __future__ import annotations

import itertools
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.engines import whisper_words
from core.engines.stt import LANGUAGES, MAX_WINDOW_S
from core.kit.errors import BadInput, Unavailable
from core.ports import SAMPLE_RATE_HZ, Word
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from faster_whisper.tokenizer import Tokenizer
    from numpy.typing import NDArray

FRAME = 160  # samples of one column of features
WHOLE = 3000  # columns the encoder is made for; it makes one state of two
_STEP = 100  # few sizes, so that windows of one size share a pass
_SILENCE = 50
_TOKENS_PER_S, _TOKENS_MORE = 8, 12  # nobody speaks faster
_PROMPT_TOKENS, _PROMPT_STEP = 48, 8  # a pass needs prompts of one length: few lengths


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One window, as `core.ports_live.StreamTranscriber` is asked for it."""

    window: NDArray[np.float32]
    language: str | None
    prompt: str
    agreed: str
    hints: tuple[str, ...]
    draft: str = ""
    careful: bool = False  # to be searched for what is likeliest as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A request in Whisper's terms."""

    request: Request
    frames: int  # to be encoded, silence included
    prompt: tuple[int, ...]
    agreed: tuple[int, ...]
    draft: tuple[int, ...]

    @property
    def kind(self) -> Hashable:
        """Jobs of one kind share a pass."""
        language = self.request.language or id(self)  # where it must be found, alone
        return language, len(self.prompt), self.request.careful

    @property
    def most(self) -> int:
        """How many tokens can be said in it."""
        return int(_TOKENS_PER_S * self.request.window.size / SAMPLE_RATE_HZ) + _TOKENS_MORE

    @property
    def spoken(self) -> int:
        """Columns of features of the window alone."""
        return max(1, self.request.window.size // FRAME)


class Engine(Protocol):
    """Holds one model."""

    def prepare(self, request: Request) -> Job:
        """Raises `BadInput` for sound of another shape and languages that are not spoken here."""
        ...

    def decode(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """One pass over jobs of one kind."""
        ...


class Windows:
    """What is in a faster-whisper folder beside the weights."""

    def __init__(self, folder: Path, *, multilingual: bool) -> None:
        import tokenizers
        from faster_whisper.feature_extractor import FeatureExtractor
        from faster_whisper.tokenizer import Tokenizer

        known = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.multilingual = multilingual
        self.tokenizers: Mapping[str, Tokenizer] = {
            language: Tokenizer(known, multilingual, task="transcribe", language=language) for language in LANGUAGES
        }
        file = folder / "preprocessor_config.json"
        how = json.loads(file.read_text()) if file.is_file() else {}
        names = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft")
        self._extractor = FeatureExtractor(**{name: how[name] for name in names if name in how})

    def prepare(self, request: Request) -> Job:
        """Raises `BadInput` for sound of another shape and languages that are not spoken here."""
        _check(request)
        words = self.tokenizers["en"]
        hints = whisper_words.hotwords(request.hints)
        before: list[int] = words.encode(f" {hints}.") if hints else []
        said: list[int] = words.encode(f" {request.prompt}") if request.prompt else []
        kept = min(_PROMPT_TOKENS, len(said) // _PROMPT_STEP * _PROMPT_STEP)
        before += said[len(said) - kept :]
        return Job(
            request,
            frames=min(WHOLE, -(-(request.window.size // FRAME + _SILENCE) // _STEP) * _STEP),
            prompt=(words.sot_prev, *before) if before else (),
            agreed=tuple(words.encode(f" {request.agreed}")) if request.agreed else (),
            draft=tuple(words.encode(f" {request.draft}")) if request.draft else (),
        )

    def features(self, window: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        """(mels, frames) of the window with silence behind."""
        import numpy as np

        sound = np.zeros(frames * FRAME, np.float32)
        sound[: window.size] = window
        found: NDArray[np.float32] = self._extractor(sound, padding=0)[:, :frames]
        return found

    def likeliest(self, shares: Mapping[str, float]) -> str:
        """Of our languages."""
        return max(LANGUAGES, key=lambda name: shares[name]) if self.multilingual else "en"


def need_weights(folder: Path) -> None:
    """Raises `Unavailable` where there are none."""
    if not (folder / "model.bin").is_file():
        raise Unavailable(f"There is no speech model in {folder}. Run `salesedge models install`.")


def words(job: Job, raw: Sequence[Any], no_speech: float) -> tuple[Word, ...]:
    """What can be believed. Where some of it was agreed there is speech, and a word in doubt is better than a hole."""
    said = whisper_words.whole(raw, job.request.window.size / SAMPLE_RATE_HZ)
    agreed = job.request.agreed.split()
    if agreed:
        first, more = said[: len(agreed)], said[len(agreed) :]
        return (*map(_as_agreed, first, agreed), *whisper_words.without_loops(more))
    return tuple(itertools.chain(*whisper_words.believed(said, no_speech)))


def _as_agreed(word: Word, agreed: str) -> Word:
    """What the decoder writes on to an agreed word without a space (a comma, 's) comes too late."""
    return replace(word, text=agreed) if word.text.startswith(agreed) else word


def _check(request: Request) -> None:
    window = request.window
    if window.ndim != 1 or window.dtype.name != "float32":
        raise BadInput(f"Speech must be float32 (samples,), mono, 16 kHz; this is {window.dtype.name} {window.shape}.")
    if window.size > MAX_WINDOW_S * SAMPLE_RATE_HZ:
        raise BadInput(f"A window holds at most {MAX_WINDOW_S:.0f} s. Divide what is said before.")
    if request.language is not None and request.language not in LANGUAGES:
        raise BadInput(f"The language {request.language!r} is not spoken here. Choose one of {', '.join(LANGUAGES)}.")
