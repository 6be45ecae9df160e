"""Vectors of the last texts are remembered, and are the same as those that were made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.embeddings import LocalEmbedder


class Counting:
    """An `Encoder` whose vectors are lengths of texts, and which notes what it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts], np.float32).reshape(-1, 2)


async def test_a_text_is_encoded_once_in_a_while() -> None:
    encoder = Counting()
    embedder = LocalEmbedder(encoder)
    assert (await embedder.embed(["a", "bb", "a"])).tolist() == [[1, 1], [2, 1], [1, 1]]
    assert (await embedder.embed(["bb", "ccc"])).tolist() == [[2, 1], [3, 1]]
    assert encoder.asked == [["a", "bb"], ["ccc"]]


async def test_what_is_remembered_is_bounded() -> None:
    encoder = Counting()
    embedder = LocalEmbedder(encoder)
    many = [f"text {number}" for number in range(1_000)]
    assert len(await embedder.embed(many)) == 1_000
    await embedder.embed(many[:1])
    assert encoder.asked[1:] == [many[:1]]
    await embedder.embed(many[-1:])
    assert len(encoder.asked) == 2


async def test_nothing_asked_is_nothing_found() -> None:
    assert (await LocalEmbedder(Counting()).embed([])).shape == (0, 2)
