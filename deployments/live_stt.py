"""Speech to text for running calls: one replica holds one model, and many sessions share its passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ray import serve

from core.ports_live import Hypothesis, StreamTranscriber

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@serve.deployment
class LiveStt:
    def __init__(self, make: Callable[[], StreamTranscriber]) -> None:
        self._engine = make()

    async def decode(
        self,
        pcm: NDArray[np.int16],
        language: str | None,
        prompt: str,
        agreed: str,
        draft: str,
        hints: Sequence[str],
        urgent: bool,
    ) -> Hypothesis:
        """`pcm`: int16 (samples,): half of what floats take on the way."""
        import numpy as np

        window = pcm.astype(np.float32) / np.float32(32768)
        return await self._engine.decode(
            window, language=language, prompt=prompt, agreed=agreed, draft=draft, hints=hints, urgent=urgent
        )
