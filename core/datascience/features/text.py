"""What each side of a call said, as words counted and as one vector."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from core.calls.turns import Turn
from core.datascience.features.behaviour import SIDES
from core.datascience.features.kinds import MOST_TERM_LETTERS, MOST_TERMS
from core.ports import Embedder

_WORD = re.compile(r"[^\W\d_]{2,}")
_LEAST_TURN_WORDS = 3
_MOST_TURNS = 16  # of a side, the longest: what embedding costs is bounded


def terms(texts: Sequence[str]) -> dict[str, float]:
    """Words of two letters and more in lower case, with how often each was said; the most frequent first to stay."""
    counts = Counter(word for text in texts for word in _WORD.findall(text.lower()) if len(word) <= MOST_TERM_LETTERS)
    kept = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TERMS]
    return {word: float(count) for word, count in sorted(kept)}


async def build(turns: Sequence[Turn], embedder: Embedder) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side in SIDES:
        said = [turn.text for turn in turns if turn.speaker == side]
        if said:
            found[f"{side}_terms"] = terms(said)
        longest = _longest(said)
        if longest:
            found[f"{side}_vector"] = await _mean(longest, embedder)
    return found


def _longest(said: Sequence[str]) -> list[str]:
    """In the order in which they were said."""
    long = [(len(text.split()), -place, text) for place, text in enumerate(said)]
    kept = sorted((one for one in long if one[0] >= _LEAST_TURN_WORDS), reverse=True)[:_MOST_TURNS]
    return [text for _, _, text in sorted(kept, key=lambda one: -one[1])]


async def _mean(texts: Sequence[str], embedder: Embedder) -> list[float]:
    """The mean direction, of unit length, to six decimals."""
    import numpy as np

    mean = (await embedder.embed(texts)).astype(np.float64).mean(axis=0)
    unit = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return [round(float(one), 6) for one in unit]
