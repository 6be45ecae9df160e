"""One window at a time of Whisper, as quickly as a processor can: for live hearing without a GPU.

Somebody who speaks on is heard again and again, and most of each time is known. What is agreed goes through the decoder
in one step. So does the draft, the end of the last hypothesis: as far as the decoder says the same it is confirmed by
that one step, and each new word takes one more (speculative decoding: Leviathan et al., arXiv:2211.17192, with what was
heard before in place of a smaller model).

Where speech has ended, what is heard is final. There the first token in doubt is where a beam search begins.

Behind the window comes what the encoder says of 30 s of silence, ready made: without it the decoder says things twice.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engines import beam, streaming_windows, word_times
from core.engines.streaming_windows import WHOLE, Job, Request, Windows
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.engines.whisper_graph import WhisperGraphs

_MULTILINGUAL = 51865  # words of the vocabulary from which on a model knows languages
_AHEAD = 8  # tokens of a draft that are looked at once it was wrong
_DOUBT = 0.5  # probability below which others than the likeliest token are followed too
_NO_SHARE = 1e-9  # where a probability is too small to be told from none
_UNSEEN = -1e9  # added to the score of what is not to be seen

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
        rows = list(range(len(job.prompt), len(job.prompt) + len(start) + len(said)))
        for token, share in self._following(run, answers[len(said) :], job, draft):
            if job.request.careful and share < _DOUBT:
                found, branch = self._searched(run, rows[-1] + 1, job, said)
                said, rows = [*said, *found], [*rows, *branch]
                break
            said.append((token, share))
            rows.append(rows[-1] + 1)
        timed = word_times.words(tokenizer, said, run.scores(rows)[..., : math.ceil(job.spoken / 2)])
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
                answers, row = run.feed([token, *tried]), 0
            length += 1
        run.forget(length)

    def _searched(
        self, run: _Run, length: int, job: Job, said: Sequence[tuple[int, float]]
    ) -> tuple[list[tuple[int, float]], list[int]]:
        """The likeliest text as a whole that begins with what is `said`, the last of the first `length` tokens of the
        run: what comes behind it, with probabilities, and the rows of the run where it stands."""
        first = _logs(run.again(length))
        tree = _Tree(run)
        found = beam.likeliest(
            first + (self._never if said else self._never_first),
            lambda paths: tree.grow(paths) + self._never,
            end=self._end,
            most=min(job.most + len(job.agreed) - len(said), run.room),
            before=[math.log(max(share, _NO_SHARE)) for _, share in said],
        )
        return [(token, math.exp(log)) for token, log in zip(found.tokens, found.logs, strict=True)], tree.rows(found)

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
        answer = _Run(self.decoder, heard).feed([tokenizer.sot])[0]
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

    def step(
        self, tokens: Sequence[int], heard: Arrays, past: Arrays, *, places: Sequence[int], asked: int,
        unseen: NDArray[np.float32] | None = None,
    ) -> Arrays:  # fmt: skip
        """`tokens` come at `places`, behind those of `past`; the first answer is that to token number `asked`.
        `unseen` (tokens, all up to now): very low where a token does not look, of those before it."""
        import numpy as np

        self.steps += 1
        embedded = self._embeddings[list(tokens)].astype(np.float32) + self._positions[list(places)].astype(np.float32)
        if unseen is None:
            unseen = np.zeros((len(tokens), len(tokens) + past["past_key0"].shape[2]), np.float32)
        inputs = {"embedded": embedded[None], "asked": np.array([asked]), "unseen": unseen[None, None]}
        return _named(self._session, {**inputs, **heard, **past})


class _Run:
    """Tokens so far, and what the decoder keeps of them."""

    def __init__(self, decoder: Decoder, heard: Arrays) -> None:
        self._decoder = decoder
        self._heard = heard
        self._past = decoder.nothing
        self._scores: list[NDArray[np.float32]] = []
        self._tokens: list[int] = []

    @property
    def length(self) -> int:
        return len(self._tokens)

    @property
    def room(self) -> int:
        """How many more there can be."""
        return self._decoder.most - self.length

    def feed(
        self, tokens: Sequence[int], *, asked: int = 0, places: Sequence[int] = (),
        unseen: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """→ what may come behind each token from number `asked` on: logits (tokens, vocabulary). `places`: where they
        stand, if it is not one behind the other; `unseen`: see `Decoder.step`."""
        places = places or range(self.length, self.length + len(tokens))
        found = self._decoder.step(tokens, self._heard, self._past, places=places, asked=asked, unseen=unseen)
        self._tokens += tokens
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
        self._scores = [self.scores(range(length))]
        self._tokens = self._tokens[:length]

    def again(self, length: int) -> NDArray[np.float32]:
        """All but the first tokens are forgotten → what may come behind them: logits (vocabulary,)."""
        last = self._tokens[length - 1]
        self.forget(length - 1)
        found: NDArray[np.float32] = self.feed([last])[0]
        return found

    def scores(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """How much each of these tokens attends to what: (heads, tokens, states) before the softmax."""
        import numpy as np

        return np.concatenate(self._scores, axis=1)[:, rows]


class _Tree:
    """Paths behind what a run holds, each of which sees itself and what was there before (SpecInfer: Miao et al.,
    arXiv:2305.09781): those of one length are one step of the decoder, and nothing is copied for them."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._root = run.length
        self._rows: dict[tuple[int, ...], int] = {}

    def grow(self, paths: Sequence[beam.Path]) -> NDArray[np.float32]:
        """→ log-probabilities (paths, vocabulary) of what may come behind each."""
        import numpy as np

        before = self._run.length
        unseen = np.full((len(paths), before + len(paths)), _UNSEEN, np.float32)
        unseen[:, : self._root] = 0
        for number, path in enumerate(paths):
            self._rows[path.tokens] = before + number
            unseen[number, self.rows(path)] = 0
        places = [self._root + len(path.tokens) - 1 for path in paths]
        return _logs(self._run.feed([path.tokens[-1] for path in paths], places=places, unseen=unseen))

    def rows(self, path: beam.Path) -> list[int]:
        """Where the tokens of a path stand in the run."""
        return [self._rows[path.tokens[: number + 1]] for number in range(len(path.tokens))]


def _named(session: Any, inputs: Arrays) -> Arrays:
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def _place(token: int, draft: Sequence[int], begin: int) -> int | None:
    """Where the draft goes on, if it was only for a moment that it was wrong."""
    near = draft[begin : begin + _AHEAD]
    return begin + near.index(token) if token in near else None


def _logs(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logarithms of the probabilities, (…, vocabulary)."""
    import numpy as np

    logits = logits - logits.max(-1, keepdims=True)
    found: NDArray[np.float32] = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return found


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
