"""Speech to text: one replica holds one model and works on one window at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ray import serve

from core.ports import Heard, Transcriber

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@serve.deployment
class Stt:
    def __init__(self, make: Callable[[], Transcriber]) -> None:
        self._engine = make()

    async def transcribe(self, pcm: NDArray[np.int16], language: str | None, hints: Sequence[str]) -> Heard:
        return await self._engine.transcribe(pcm, language=language, hints=hints)
