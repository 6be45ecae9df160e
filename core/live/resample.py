"""Any of our sample rates → 16 kHz, while the sound comes.

Each output sample is one sum over the same inputs in the same order, however the sound was cut into frames: so the
samples are the same to the bit, and a host that takes over in the middle hears what the one before heard.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from core.ports import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Source rate → (up, down, samples on each side of the centre, pass band as a share of the lower Nyquist frequency).
_RATES = {8_000: (2, 1, 24, 0.94), 16_000: (1, 1, 0, 1.0), 24_000: (2, 3, 36, 0.92), 48_000: (1, 3, 72, 0.92)}
_KAISER_BETA = 6.5  # about 65 dB down beyond the edge


class Resampler:
    """Of `channels` channels, from the source's sample `at` on."""

    def __init__(self, rate_hz: int, channels: int, *, at: int = 0) -> None:
        self._up, self._down, self._half, _ = _RATES[rate_hz]
        self._taps = _taps(rate_hz)
        # What lies before is silence: true at the beginning, and in the middle whoever begins there knows of it.
        self._held = np.zeros((channels, self._half), np.float32)
        self._from = at - self._half  # of the source, where `_held` begins
        self._next = -(-at * self._up // self._down)  # of the output

    @property
    def position(self) -> int:
        """The output sample that comes next."""
        return self._next

    def take(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (channels, n) at the source's rate → float32 (channels, m) at 16 kHz, from `position` on."""
        if not self._half:
            self._next += samples.shape[1]
            return samples
        self._held = np.concatenate([self._held, samples], axis=1)
        end = self._from + self._held.shape[1] - self._half  # centres up to here have all that they need
        count = max(0, -(-end * self._up // self._down) - self._next)
        out = np.empty((samples.shape[0], count), np.float32)
        for first in range(min(self._up, count)):
            out[:, first :: self._up] = self._phase(self._next + first, len(range(first, count, self._up)))
        self._next += count
        spent = max(0, self._next * self._down // self._up - self._half + 1 - self._from)
        self._held, self._from = self._held[:, spent:], self._from + spent
        return out

    def _phase(self, first: int, count: int) -> NDArray[np.float32]:
        """Outputs `first`, `first + up`, …: they share their taps."""
        whole, phase = divmod(first * self._down, self._up)
        begin = whole - self._half + 1 - self._from
        out = np.zeros((self._held.shape[0], count), np.float32)
        for offset, tap in enumerate(self._taps[phase]):
            at = begin + offset
            out += tap * self._held[:, at : at + self._down * (count - 1) + 1 : self._down]
        return out

    def finish(self) -> NDArray[np.float32]:
        """What the silence after the end brings out."""
        return self.take(np.zeros((self._held.shape[0], self._half), np.float32))


@cache
def _taps(rate_hz: int) -> NDArray[np.float32]:
    """float32 (up, 2 × half): for each phase a windowed sinc over the inputs around its centre, which sums to 1."""
    up, _, half, share = _RATES[rate_hz]
    if not half:
        return np.zeros((up, 0), np.float32)
    cut = 0.5 * share * min(1.0, SAMPLE_RATE_HZ / rate_hz)  # cycles a source sample
    offsets = np.arange(1 - half, half + 1)[np.newaxis] - np.arange(up)[:, np.newaxis] / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, None)))
    taps = np.sinc(2 * cut * offsets) * window
    normal: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal
