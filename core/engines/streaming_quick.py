"""One window at a time of Whisper, as quickly as a processor can: for live hearing without a GPU.

Somebody who speaks on is heard again and again, and most of each time is known. What is agreed goes through the decoder
in one step. So does the draft, the end of the last hypothesis: as far as the decoder says the same it is confirmed by
that one step, and each new word takes one more (speculative decoding: Leviathan et al., arXiv:2211.17192, with what was
heard before in place of a smaller model).

Behind the window comes what the encoder says of 30 s of silence, ready made: without it the decoder says things twice.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engines import streaming_windows, word_times
from core.engines.streaming_windows import WHOLE, Job, Request, Windows
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.engines.whisper_graph import WhisperGraphs

_MULTILINGUAL = 51865  # words of the vocabulary from which on a model knows languages
_AHEAD = 8  # tokens of a draft that are looked at once it was wrong

Arrays = dict[str, "NDArray[np.float32]"]


class QuickWhisper:
    """An `Engine`. `folder` is any faster-whisper model; `threads`: of one pass."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import numpy as np

        from core.engines import whisper_graph

        streaming_windows.need_weights(folder)
        graphs = whisper_graph.load(folder)
        self._encoder = _session(graphs.encoder, threads)
        self.decoder = Decoder(graphs, threads)
        self._windows = Windows(folder, multilingual=len(graphs.embeddings) >= _MULTILINGUAL)
        self._end: int = self._windows.tokenizers["en"].eot
        self._never = np.zeros(len(graphs.embeddings), np.float32)
        self._never[self._end + 1 :] = -np.inf  # no marks of time, and nothing else that is no text
        self._never[list(graphs.suppressed)] = -np.inf
        self._never_first = self._never.copy()
        self._never_first[list(graphs.suppressed_first)] = -np.inf
        self._silence = self._encode(np.zeros(0, np.float32), WHOLE)

    def prepare(self, request: Request) -> Job:
        return self._windows.prepare(request)

    def decode(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        return [self._one(job) for job in jobs]

    def _one(self, job: Job) -> Hypothesis:
        heard = self._heard(job)
        language = job.request.language or self._language(heard)
        tokenizer = self._windows.tokenizers[language]
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        run = _Run(self.decoder, heard)
        given = [*job.prompt, *start, *job.agreed]
        draft = job.draft[: max(0, run.room - len(given))]
        answers = run.feed([*given, *draft], asked=len(job.prompt))
        no_speech = _share(answers[0], tokenizer.no_speech)
        answers = answers[len(start) - 1 :]
        said = [(token, _share(answers[place], token)) for place, token in enumerate(job.agreed)]
        said += self._following(run, answers[len(said) :], job, draft)
        scores = run.scores(len(job.prompt), len(job.prompt) + len(start) + len(said))[..., : math.ceil(job.spoken / 2)]
        timed = word_times.words(tokenizer, said, scores)
        return Hypothesis(language, streaming_windows.words(job, timed, no_speech))

    def _following(
        self, run: _Run, answers: NDArray[np.float32], job: Job, draft: Sequence[int]
    ) -> Iterator[tuple[int, float]]:
        """The likeliest tokens behind those that are given, with their probabilities. `answers`: behind the last of
        those, and behind each of the draft, which the run was fed already."""
        length = run.length - len(draft)  # of what is certain
        tried, behind, row = draft, 0, 0  # of the draft: what is tried, and how much of it was passed
        for number in range(min(job.most, run.room + len(draft))):
            allowed = answers[row] + (self._never if number or job.agreed else self._never_first)
            token = int(allowed.argmax())
            if token == self._end:
                break
            yield token, _share(answers[row], token)
            if tried and tried[0] == token:
                tried, behind, row = tried[1:], behind + 1, row + 1
            else:
                run.forget(length)
                again = _place(token, draft, behind)
                behind = behind if again is None else again + 1
                tried = [] if again is None else draft[behind : behind + min(_AHEAD, run.room - 1)]
                answers, row = run.feed([token, *tried], asked=0), 0
            length += 1
        run.forget(length)

    def _heard(self, job: Job) -> Arrays:
        """What the decoder attends to: the window, and silence up to 30 s."""
        import numpy as np

        window = self._encode(job.request.window, job.frames)
        states = job.frames // 2
        return {name: np.concatenate([one, self._silence[name][:, :, states:]], axis=2) for name, one in window.items()}

    def _encode(self, window: NDArray[np.float32], frames: int) -> Arrays:
        return _named(self._encoder, {"features": self._windows.features(window, frames)[None]})

    def _language(self, heard: Arrays) -> str:
        tokenizer = self._windows.tokenizers["en"]
        answer = _Run(self.decoder, heard).feed([tokenizer.sot], asked=0)[0]
        codes = {name: one.language for name, one in self._windows.tokenizers.items()}
        return self._windows.likeliest({name: float(answer[code]) for name, code in codes.items() if code is not None})


class Decoder:
    """One step of the decoder, of any number of tokens."""

    def __init__(self, graphs: WhisperGraphs, threads: int) -> None:
        import numpy as np

        self._session = _session(graphs.decoder, threads)
        self._embeddings = graphs.embeddings
        self._positions = graphs.positions
        empty = np.zeros((1, graphs.heads, 0, graphs.head_size), np.float32)
        self.nothing = {f"past_{kind}{layer}": empty for layer in range(graphs.layers) for kind in ("key", "value")}
        self.most = len(self._positions)
        self.steps = 0  # up to now; each reads all weights, which is what it costs

    def step(self, tokens: Sequence[int], heard: Arrays, past: Arrays, *, at: int, asked: int) -> Arrays:
        """`tokens` come at place `at`, behind those of `past`; the first answer is that to token number `asked`."""
        import numpy as np

        self.steps += 1
        places = self._positions[at : at + len(tokens)]
        embedded = self._embeddings[list(tokens)].astype(np.float32) + places.astype(np.float32)
        return _named(self._session, {"embedded": embedded[None], "asked": np.array([asked]), **heard, **past})


class _Run:
    """Tokens so far, and what the decoder keeps of them."""

    def __init__(self, decoder: Decoder, heard: Arrays) -> None:
        self._decoder = decoder
        self._heard = heard
        self._past = decoder.nothing
        self._scores: list[NDArray[np.float32]] = []
        self.length = 0

    @property
    def room(self) -> int:
        """How many more there can be."""
        return self._decoder.most - self.length

    def feed(self, tokens: Sequence[int], *, asked: int) -> NDArray[np.float32]:
        """→ what may come behind each token from number `asked` on: logits (tokens, vocabulary)."""
        found = self._decoder.step(tokens, self._heard, self._past, at=self.length, asked=asked)
        self.length += len(tokens)
        self._past = {name.replace("now_", "past_"): one for name, one in found.items() if name.startswith("now_")}
        self._scores.append(found["scores"][0])
        logits: NDArray[np.float32] = found["logits"][0]
        return logits

    def forget(self, length: int) -> None:
        """All but the first tokens."""
        import numpy as np

        if length == self.length:
            return
        self._past = {name: np.ascontiguousarray(one[:, :, :length]) for name, one in self._past.items()}
        self._scores = [self.scores(0, length)]
        self.length = length

    def scores(self, begin: int, end: int) -> NDArray[np.float32]:
        """How much each of these tokens attends to what: (heads, tokens, states) before the softmax."""
        import numpy as np

        return np.concatenate(self._scores, axis=1)[:, begin:end]


def _named(session: Any, inputs: Arrays) -> Arrays:
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def _place(token: int, draft: Sequence[int], begin: int) -> int | None:
    """Where the draft goes on, if it was only for a moment that it was wrong."""
    near = draft[begin : begin + _AHEAD]
    return begin + near.index(token) if token in near else None


def _share(logits: NDArray[np.float32], token: int) -> float:
    """The probability of a token."""
    import numpy as np

    return float(1 / np.exp(logits - logits[token]).sum())


def _session(graph: bytes, threads: int) -> Any:
    import onnxruntime

    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads, how.inter_op_num_threads = threads, 1
    how.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other processes need the cores
    # Of bytes a session would keep a copy as long as it lives.
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(graph)
        file.flush()
        return onnxruntime.InferenceSession(file.name, sess_options=how, providers=["CPUExecutionProvider"])
