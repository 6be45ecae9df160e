"""What hearing a call that goes on needs from outside itself: the ports beside those of `core.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.ports import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a window seems to say: words in order, with times from the window's start; those that were given as agreed
    come first, spelled as they were. `waited_s`: how long the window waited for others before it was heard."""

    language: str
    words: tuple[Word, ...]
    waited_s: float = 0.0


class StreamTranscriber(Protocol):
    """Speech to text for a window that grows: cheap for a few seconds, asked again and again."""

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        draft: str = "", hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        """`window`: float32 (samples,) in [-1, 1], mono, 16 kHz, at most 30 s. `language` None: detect it. `prompt`:
        what was said before the window. `agreed`: what the window begins with, words with one space between. `draft`:
        what may come behind it; where it is right the window costs less, and it changes nothing that is heard. `hints`:
        names to expect. `urgent`: somebody waits for it, as speech has ended; it goes before what can wait a little,
        and is searched for what is likeliest as a whole, not word by word."""
        ...


class SpeechMeter(Protocol):
    """Voice activity of one channel as it goes on: it remembers what it heard before."""

    def share(self, block: NDArray[np.float32]) -> float:
        """`block`: float32 (512,), mono, 16 kHz, the next of its channel → the probability of speech in it."""
        ...
