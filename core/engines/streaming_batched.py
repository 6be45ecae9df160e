"""Many windows in one pass of Whisper, on no more sound than there is: for a GPU, where many cost little more than one.

Whisper's encoder is made for 30 s, and most of what it costs is silence behind a short window. CTranslate2 takes less;
but where the sound ends with its last word the decoder loses its way, as it never saw that in training. So the window
is encoded with half a second of silence, and behind it comes, ready made, what the encoder says of 30 s of silence: the
words are those of the full window, at a quarter of its cost, and windows of any length share one pass of the decoder.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from core.engines import beam, streaming_windows
from core.engines.streaming_windows import WHOLE, Job, Request, Windows
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEAR = 50  # states behind a window are enough to tell when words were said; on less than all of them, words come twice


class BatchedWhisper:
    """An `Engine`. `folder` is any faster-whisper model; `threads`: of one pass, on a processor."""

    def __init__(self, folder: Path, *, device: str = "cpu", compute_type: str = "int8", threads: int = 1) -> None:
        import numpy as np
        from faster_whisper import WhisperModel

        streaming_windows.need_weights(folder)
        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=1,
            local_files_only=True,
        )  # fmt: skip
        self._on_cpu = device == "cpu"
        self._windows = Windows(folder, multilingual=bool(self._model.model.is_multilingual))
        self._silence = self._encode([np.zeros(0, np.float32)], WHOLE)[0]

    def prepare(self, request: Request) -> Job:
        return self._windows.prepare(request)

    def decode(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        states = self._encoded(jobs)
        encoded = self._on_device(states)
        language = jobs[0].request.language or self._language(encoded)
        tokenizer = self._windows.tokenizers[language]
        prompts = [[*job.prompt, *tokenizer.sot_sequence, tokenizer.no_timestamps, *job.agreed] for job in jobs]
        most = max(map(len, prompts)) + max(job.most for job in jobs)
        width = beam.WIDTH if jobs[0].request.careful else 1
        found = self._model.model.generate(
            encoded, prompts, beam_size=width, max_length=min(most, self._model.max_length), return_no_speech_prob=True
        )
        texts = [[token for token in one.sequences_ids[0] if token < tokenizer.eot] for one in found]
        spoken = self._on_device(states[:, : max(job.frames for job in jobs) // 2 + _NEAR])
        timed = self._model.find_alignment(tokenizer, texts, spoken, [job.spoken for job in jobs])
        return [
            Hypothesis(
                language, streaming_windows.words(job, [SimpleNamespace(**part) for part in raw], one.no_speech_prob)
            )
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

        states = self._model.encode(np.stack([self._windows.features(window, frames) for window in windows]))
        found: NDArray[np.float32] = np.asarray(states if self._on_cpu else states.to_device(_cpu()), np.float32)
        return found

    def _language(self, encoded: Any) -> str:
        """Of the first window."""
        if not self._windows.multilingual:
            return "en"
        shares = dict(self._model.model.detect_language(encoded)[0])
        return self._windows.likeliest({name.strip("<|>"): share for name, share in shares.items()})


def _cpu() -> Any:
    import ctranslate2

    return ctranslate2.Device.cpu
