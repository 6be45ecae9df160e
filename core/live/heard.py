"""What streaming recognition says while a call goes on: the words that everything live is built on.

    speech_started   partial*   stable*   …   final        for each utterance of each side

A partial may be taken back; what is stable stays. Suggestions begin on what was heard twice, storage takes finals only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.ports import Side, Word

__all__ = ["Heard", "Kind", "Side", "Word"]

Kind = Literal["speech_started", "partial", "stable", "final"]


@dataclass(frozen=True, slots=True)
class Heard:
    """Times, those of the words too, are seconds from the first sample of that side.

    The stable text of an utterance never shrinks, and is a prefix of its final.
    """

    kind: Kind
    side: Side
    utterance: int  # counts up from 0 for each side
    text: str  # partial: the tail nobody agreed on yet; stable: all that is agreed so far; final: all of it
    words: tuple[Word, ...]  # of stable and final
    at_s: float  # up to where that side was heard
