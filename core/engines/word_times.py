"""When words were said, by where the decoder looked while it wrote them.

Attention of some heads is close to a time line; the cheapest way through it from the first token to the last gives each
its time (https://github.com/openai/whisper/blob/main/whisper/timing.py; dynamic time warping: Sakoe and Chiba, IEEE
TASSP 26(1), 1978).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer
    from numpy.typing import NDArray

_STATES_PER_S = 50
_MEDIAN = 7  # states; takes out single looks aside


def words(
    tokenizer: Tokenizer, said: Sequence[tuple[int, float]], scores: NDArray[np.float32]
) -> list[SimpleNamespace]:
    """`said`: tokens of text with their probabilities; `scores` (heads, rows, states) before the softmax: rows of what
    begins a transcript, and then of each token. → word, start and end in seconds, probability of each word."""
    if not said or not scores.size:
        return []
    tokens, sure = zip(*said, strict=True)
    looks = np.exp(scores - scores.max(-1, keepdims=True))
    looks /= looks.sum(-1, keepdims=True)
    looks = (looks - looks.mean(-2, keepdims=True)) / np.maximum(looks.std(-2, keepdims=True), 1e-6)
    rows, states = way(-_smooth(looks).mean(0)[-len(tokens) - 1 :])
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # where each token begins
    begins_s = states[first] / _STATES_PER_S
    names, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    edges = np.cumsum([0, *map(len, parts[:-1])])
    return [
        SimpleNamespace(word=name, start=begins_s[a], end=begins_s[b], probability=float(np.mean(sure[a:b])))
        for name, a, b in zip(names[:-1], edges[:-1], edges[1:], strict=True)
    ]


def _smooth(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of each place and its neighbours."""
    around = _MEDIAN // 2
    if looks.shape[-1] <= around:
        return looks
    padded = np.pad(looks, ((0, 0), (0, 0), (around, around)), mode="reflect")
    near = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=-1)
    found: NDArray[np.float32] = np.partition(near, around, axis=-1)[..., around]
    return found


def way(cost: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cheapest way through (rows, columns) from the first corner to the last by steps of one down, right or both:
    its rows and columns."""
    above = [0.0, *[math.inf] * cost.shape[1]]
    came = []  # for each place, how it was reached: 0 by both, 1 from above, 2 from the left
    for row in cost.tolist():
        left, here, how = math.inf, [math.inf], []
        for place, price in enumerate(row):
            both, down = above[place], above[place + 1]
            best, step = (both, 0) if both <= down else (down, 1)
            if left < best:
                best, step = left, 2
            left = best + price
            here.append(left)
            how.append(step)
        above = here
        came.append(how)
    down, right = cost.shape[0] - 1, cost.shape[1] - 1
    places = [(down, right)]
    while down or right:
        step = came[down][right]
        down, right = down - (step != 2), right - (step != 1)
        places.append((down, right))
    found = np.array(places[::-1], np.int64)
    return found[:, 0], found[:, 1]
