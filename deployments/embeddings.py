"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ray import serve

from core.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@serve.deployment
class Embeddings:
    def __init__(self, make: Callable[[], Embedder]) -> None:
        self._engine = make()

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._engine.embed(texts)
