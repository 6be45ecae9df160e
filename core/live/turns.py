"""When words are agreed, when a turn is over, where a long one is divided: pure decisions about words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from core.ports import Word

_ENDS = re.compile(r"[.?!…][\"'”’)]*$")
# Nobody ends a turn with one of these, whatever mark a recogniser puts behind it.
_GOES_ON = re.compile(
    r"\b(an?|the|and|or|but|so|because|if|of|to|for|with|in|on|at|from|that|which|who|is|are|was|were|my|your|our|i|we|um|uh"
    r"|e|ou|mas|porque|se|d[eao]s?|em|n[ao]s?|para|pra|por|com|que|[oa]s?|uma?|é|são|meu|seu|nosso|eu|nós|hum)\W*$",
    re.IGNORECASE,
)


def agreed(before: Sequence[Word], now: Sequence[Word], *, until_s: float, sure: float) -> int:
    """How many words two successive hypotheses begin with alike, of those that end before `until_s` and are `sure`.

    LocalAgreement: Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial
    Hypothesis Selection" (arXiv:2005.11185). What lies at the edge of the sound is heard in half and agrees by chance;
    and what is agreed stays: of two words, the one in doubt may still become the other.
    """

    def stays(was: Word, word: Word) -> bool:
        return was.text == word.text and word.end_s <= until_s and word.confidence >= sure

    return sum(1 for _ in takewhile(lambda pair: stays(*pair), zip(before, now, strict=False)))


def is_whole(words: Sequence[Word], *, sure: float) -> bool:
    """Whether somebody who pauses here has most likely said what he wanted to say, and it was heard with a mean
    confidence of `sure`."""
    text = " ".join(word.text for word in words)
    known = sum(word.confidence for word in words) >= sure * len(words)
    return known and bool(_ENDS.search(text)) and not _GOES_ON.search(text)


def division(words: Sequence[Word], *, least: int, anywhere: bool) -> int:
    """After how many words, at least `least`, a turn that goes on and on is divided; 0: nowhere yet.

    After a sentence, the last there is; else, where it may be `anywhere`, at the widest gap between two words.
    """
    places = range(max(1, least), len(words) + 1)
    sentences = [i for i in places if _ENDS.search(words[i - 1].text)]
    if sentences or not anywhere:
        return sentences[-1] if sentences else 0
    gaps = [after.start_s - word.end_s for word, after in pairwise(words)]
    return max((i for i in places if i < len(words)), key=lambda i: gaps[i - 1], default=0)
