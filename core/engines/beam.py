"""Beam search: of all that may follow, the likeliest as a whole, not token by token (Lowerre, "The Harpy Speech
Recognition System", 1976; scores per token as in Wu et al., arXiv:1609.08144, with alpha 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, WITHIN = 5, 5.0


@dataclass(frozen=True, slots=True)
class Path:
    """Tokens, and the log of the probability of each behind those before it."""

    tokens: tuple[int, ...] = ()
    logs: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        return sum(self.logs)

    def __add__(self, more: tuple[int, float]) -> Path:
        token, log = more
        return Path((*self.tokens, token), (*self.logs, log))


def likeliest(
    first: NDArray[np.float32],
    follow: Callable[[Sequence[Path]], NDArray[np.float32]],
    *,
    end: int,
    most: int,
    before: Sequence[float] = (),
    width: int = WIDTH,
    within: float = WITHIN,
) -> Path:
    """The likeliest path, by its mean over all tokens and the `end` behind them, which is left out; and over those that
    come `before` it, whose logs these are. `width` paths are followed at once, and none that falls further behind the
    likeliest than `within` (log of the ratio of their probabilities).

    `first`: log-probabilities (vocabulary,) of the first token, -inf for what cannot be. `follow` gives those behind
    each path, (paths, vocabulary); each is one token longer than one that it was asked for before, and the answer is
    one of them, or nothing. After `most` tokens, at least one, a path is taken as it stands.
    """

    def mean(path: Path) -> float:
        return (sum(before) + path.score) / (len(before) + len(path.tokens))

    live, answers = [Path()], first[None]
    done: list[tuple[float, Path]] = []
    while True:
        grown = _grown(live, answers, width, within)
        done += [(mean(path), path) for path in grown if path.tokens[-1] == end]
        live = [path for path in grown if path.tokens[-1] != end]
        if not live or len(done) >= width:
            break
        answers = follow(live)
        if len(live[0].tokens) == most:
            done += [(mean(path), path) for path in live]
            break
    best = max(done, key=lambda one: one[0])[1]
    return Path(best.tokens[:-1], best.logs[:-1]) if best.tokens[-1] == end else best


def _grown(live: Sequence[Path], answers: NDArray[np.float32], width: int, within: float) -> list[Path]:
    """The likeliest paths that are one token longer, best first."""
    scores = answers + np.array([path.score for path in live], np.float32)[:, None]
    rows, tokens = np.nonzero(scores >= scores.max() - within)
    best = np.argsort(-scores[rows, tokens], kind="stable")[:width]
    return [
        live[row] + (int(token), float(answers[row, token]))
        for row, token in zip(rows[best], tokens[best], strict=True)
    ]
