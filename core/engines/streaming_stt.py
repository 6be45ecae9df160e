"""Speech to text for windows that grow: Whisper on no more sound than there is, many windows in one pass.

Whisper's encoder is made for 30 s, and most of what it costs is silence behind a short window. CTranslate2 takes less;
but where the sound ends with its last word the decoder loses its way, as it never saw that in training. So the window
is encoded with half a second of silence, and behind it comes, ready made, what the encoder says of 30 s of silence: the
words are those of the full window, at a quarter of its cost, and windows of any length share one pass of the decoder.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from core.engines import whisper_words
from core.engines.stt import LANGUAGES, MAX_WINDOW_S
from core.kit.errors import BadInput, Unavailable
from core.ports import SAMPLE_RATE_HZ, Word
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.settings import ModelSettings

_FRAME = 160  # samples of one column of features
_WHOLE = 3000  # columns the encoder is made for; it makes one state of two
_STEP = 100  # few sizes, so that windows of one size share a pass
_SILENCE = 50
_NEAR = 50  # states behind a window are enough to tell when words were said; on less than all of them, words come twice
_TOKENS_PER_S, _TOKENS_MORE = 8, 12  # nobody speaks faster
_PROMPT_TOKENS, _PROMPT_STEP = 48, 8  # a pass needs prompts of one length: few lengths
_PATIENCE_S = 0.5  # what is not urgent waits so much longer


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One window, as `core.ports.StreamTranscriber` is asked for it."""

    window: NDArray[np.float32]
    language: str | None
    prompt: str
    agreed: str
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A request in Whisper's terms."""

    request: Request
    frames: int  # to be encoded, silence included
    prompt: tuple[int, ...]
    agreed: tuple[int, ...]

    @property
    def kind(self) -> Hashable:
        """Jobs of one kind share a pass."""
        language = self.request.language or id(self)  # where it must be found, alone
        return language, len(self.prompt)


class StreamingWhisper:
    """Holds one model. `folder` is any faster-whisper model; `threads`: of one pass."""

    def __init__(
        self, folder: Path, *, device: str = "cpu", compute_type: str = "int8", threads: int = 1
    ) -> None:  # fmt: skip
        if not (folder / "model.bin").is_file():
            raise Unavailable(f"There is no speech model in {folder}. Run `salesedge models install`.")
        import numpy as np
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=1,
            local_files_only=True,
        )  # fmt: skip
        self._on_cpu = device == "cpu"
        self._many = bool(self._model.model.is_multilingual)
        self._tokenizers = {
            language: Tokenizer(self._model.hf_tokenizer, self._many, task="transcribe", language=language)
            for language in LANGUAGES
        }
        self._silence = self._encode([np.zeros(0, np.float32)], _WHOLE)[0]

    def prepare(self, request: Request) -> Job:
        """Raises `BadInput` for sound of another shape and languages that are not spoken here."""
        _check(request)
        words = self._tokenizers["en"]
        hints = whisper_words.hotwords(request.hints)
        before: list[int] = words.encode(f" {hints}.") if hints else []
        said: list[int] = words.encode(f" {request.prompt}") if request.prompt else []
        kept = min(_PROMPT_TOKENS, len(said) // _PROMPT_STEP * _PROMPT_STEP)
        before += said[len(said) - kept :]
        return Job(
            request,
            frames=min(_WHOLE, -(-(request.window.size // _FRAME + _SILENCE) // _STEP) * _STEP),
            prompt=(words.sot_prev, *before) if before else (),
            agreed=tuple(words.encode(f" {request.agreed}")) if request.agreed else (),
        )

    def decode(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """One pass over jobs of one kind."""
        states = self._encoded(jobs)
        encoded = self._on_device(states)
        language = jobs[0].request.language
        if language is None or not self._many:
            language = self._language(encoded)
        tokenizer = self._tokenizers[language]
        prompts = [[*job.prompt, *tokenizer.sot_sequence, tokenizer.no_timestamps, *job.agreed] for job in jobs]
        seconds = max(job.request.window.size for job in jobs) / SAMPLE_RATE_HZ
        most = max(map(len, prompts)) + int(_TOKENS_PER_S * seconds) + _TOKENS_MORE
        found = self._model.model.generate(
            encoded, prompts, beam_size=1, max_length=min(most, self._model.max_length), return_no_speech_prob=True
        )
        texts = [[token for token in one.sequences_ids[0] if token < tokenizer.eot] for one in found]
        lengths = [max(1, job.request.window.size // _FRAME) for job in jobs]
        spoken = self._on_device(states[:, : max(job.frames for job in jobs) // 2 + _NEAR])
        timed = self._model.find_alignment(tokenizer, texts, spoken, lengths)
        return [
            Hypothesis(language, _words(job, raw, one.no_speech_prob))
            for job, raw, one in zip(jobs, timed, found, strict=True)
        ]

    def _encoded(self, jobs: Sequence[Job]) -> NDArray[np.float32]:
        """The encoder's states for 30 s of each, (jobs, states, size)."""
        import numpy as np

        states: dict[int, NDArray[np.float32]] = {}
        by_size = sorted(range(len(jobs)), key=lambda number: jobs[number].frames)
        for frames, group in itertools.groupby(by_size, key=lambda number: jobs[number].frames):
            numbers = list(group)
            found = self._encode([jobs[number].request.window for number in numbers], frames)
            for number, heard in zip(numbers, found, strict=True):
                states[number] = np.concatenate([heard, self._silence[frames // 2 :]])
        return np.stack([states[number] for number in range(len(jobs))])

    def _on_device(self, states: NDArray[np.float32]) -> Any:
        import ctranslate2
        import numpy as np

        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(states))
        return view if self._on_cpu else view.to_device(ctranslate2.Device.cuda)

    def _encode(self, windows: Sequence[NDArray[np.float32]], frames: int) -> NDArray[np.float32]:
        """(windows, states, size) of the windows with silence behind."""
        import numpy as np

        columns = []
        for window in windows:
            sound = np.zeros(frames * _FRAME, np.float32)
            sound[: window.size] = window
            columns.append(self._model.feature_extractor(sound, padding=0)[:, :frames])
        states = self._model.encode(np.stack(columns))
        found: NDArray[np.float32] = np.asarray(states if self._on_cpu else states.to_device(_cpu()), np.float32)
        return found

    def _language(self, encoded: Any) -> str:
        """The likeliest of ours, of the first window."""
        if not self._many:
            return "en"
        shares = dict(self._model.model.detect_language(encoded)[0])
        return max(LANGUAGES, key=lambda name: shares[f"<|{name}|>"])


def _cpu() -> Any:
    import ctranslate2

    return ctranslate2.Device.cpu


def _words(job: Job, raw: Sequence[Any], no_speech: float) -> tuple[Word, ...]:
    """What can be believed. Where some of it was agreed there is speech, and a word in doubt is better than a hole."""
    parts = [SimpleNamespace(**part) for part in raw]
    words = whisper_words.whole(parts, job.request.window.size / SAMPLE_RATE_HZ)
    agreed = job.request.agreed.split()
    if agreed:
        said, more = words[: len(agreed)], words[len(agreed) :]
        return (*map(_as_agreed, said, agreed), *whisper_words.without_loops(more))
    return tuple(itertools.chain(*whisper_words.believed(words, no_speech)))


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


def make(models: ModelSettings, *, most: int, threads: int) -> SharedTranscriber:
    """On the model that transcribes recorded calls. `most`: windows in one pass, which takes so many threads."""
    how = {"device": models.stt_device, "compute_type": models.stt_compute_type}
    return SharedTranscriber(StreamingWhisper(models.dir / models.stt, **how, threads=threads), most=most)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    job: Job
    answer: asyncio.Future[Hypothesis]
    at_s: float
    due_s: float


class SharedTranscriber:
    """A `StreamTranscriber` of many sessions around one engine: windows that wait for it share its next pass, those
    that are due first (earliest deadline first: Liu and Layland, JACM 20(1), 1973)."""

    def __init__(self, engine: StreamingWhisper, *, most: int = 4) -> None:
        """`most`: windows in one pass."""
        self._engine = engine
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-stt")
        self._waiting: list[_Asked] = []
        self._working: asyncio.Task[None] | None = None

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        job = self._engine.prepare(Request(window, language, prompt, agreed, tuple(hints)))
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        asked = _Asked(job, loop.create_future(), now_s, now_s + (0.0 if urgent else _PATIENCE_S))
        self._waiting.append(asked)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await asked.answer

    async def _work(self) -> None:
        """Until nobody waits: what is due first, and those of its kind."""
        while self._waiting:
            self._waiting.sort(key=lambda one: one.due_s)
            kind = self._waiting[0].job.kind
            now = [one for one in self._waiting if one.job.kind == kind][: self._most]
            for one in now:
                self._waiting.remove(one)
            # Some who asked may be gone.
            await self._answer([one for one in now if not one.answer.done()])

    async def _answer(self, asked: Sequence[_Asked]) -> None:
        if not asked:
            return
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            found = await loop.run_in_executor(self._thread, self._engine.decode, [one.job for one in asked])
        except Exception as error:
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, hypothesis in zip(asked, found, strict=True):
            if not one.answer.done():
                one.answer.set_result(replace(hypothesis, waited_s=begun_s - one.at_s))
