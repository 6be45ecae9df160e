"""How long windows wait for those of others to be heard, and so what is left out until they do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.live.hearing import ALL, LONG_STEPS, NO_PARTIALS
from core.ports_live import Hypothesis, StreamTranscriber

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARE = 0.2  # of the newest wait in the mean
_STEPS_S = (0.1, 0.4)  # a mean from which on partials are left out, and most steps
_BACK = 0.5  # of it must be fallen short of to take them up again: not to and fro
_FULL_S = 0.4
_STALE_S = 5.0  # waits so old tell nothing of now: whoever was too much is gone


class Gauge:
    """A `StreamTranscriber` around another that measures how long windows wait there for others. A host's listeners
    share one, and take `level` as their pressure. Who is alone never waits, however slow the machine."""

    def __init__(self, inner: StreamTranscriber, now: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._now = now
        self._mean_s = 0.0
        self._level = ALL
        self._asked = 0  # and not answered
        self._answered_s = now()

    @property
    def full(self) -> bool:
        """Nobody more should be let in."""
        return self._is_fresh() and self._mean_s > _FULL_S

    def level(self) -> int:
        return self._level if self._is_fresh() else ALL

    def _is_fresh(self) -> bool:
        return self._asked > 0 or self._now() - self._answered_s <= _STALE_S

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        draft: str = "", hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        if not self._is_fresh():
            self._mean_s = 0.0
        self._asked += 1
        try:
            found = await self._inner.decode(
                window, language=language, prompt=prompt, agreed=agreed, draft=draft, hints=hints, urgent=urgent
            )
        finally:
            self._asked -= 1
            self._answered_s = self._now()
        self._mean_s += _SHARE * (found.waited_s - self._mean_s)
        self._level = self._judge()
        return found

    def _judge(self) -> int:
        for level, limit_s in ((LONG_STEPS, _STEPS_S[1]), (NO_PARTIALS, _STEPS_S[0])):
            if self._mean_s > limit_s * (_BACK if self._level >= level else 1.0):
                return level
        return ALL
