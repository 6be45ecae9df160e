"""How each side of a call talked: shares, turns, questions, monologues and pauses. A pure function, for reactions and
backfill alike."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from core.calls.turns import Turn

SIDES = ("seller", "customer")
_PAUSE_S = 0.3  # shorter gaps between words are articulation
_ASIDE_WORDS = 2  # "yes, sure" of the other does not end a monologue


def build(turns: Sequence[Turn], metrics: Mapping[str, Any], language: str) -> dict[str, Any]:
    """`metrics`: as the call's insights hold them. A side that is not known, or said nothing, has no values."""
    found: dict[str, Any] = {
        "silence_share": metrics["silence_share"], "longest_silence_s": metrics["longest_silence_s"],
        "patience_s": metrics["patience_s"], "speech_s": sum(metrics["talk_s"].values()), "language": language,
    }  # fmt: skip
    for side in SIDES:
        mine = [turn for turn in turns if turn.speaker == side]
        if mine:
            found |= {f"{side}_{name}": value for name, value in _side(mine, turns, side, metrics).items()}
    return found


def _side(mine: Sequence[Turn], turns: Sequence[Turn], side: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    pauses = [pause for turn in mine for pause in pauses_s(turn)]
    return {
        "talk_share": metrics["talk_ratio"].get(side), "turns": len(mine),
        "mean_turn_s": sum(turn.end_s - turn.start_s for turn in mine) / len(mine),
        "words_per_minute": metrics["words_per_minute"].get(side), "questions": metrics["questions"].get(side),
        "interruptions": metrics["interruptions"].get(side), "monologue_s": _monologue_s(turns, side),
        "pauses": len(pauses), "mean_pause_s": sum(pauses) / len(pauses) if pauses else None,
    }  # fmt: skip


def pauses_s(turn: Turn) -> list[float]:
    """Silences between the words of one turn."""
    gaps = (after.start_s - before.end_s for before, after in itertools.pairwise(turn.words))
    return [gap for gap in gaps if gap >= _PAUSE_S]


def _monologue_s(turns: Sequence[Turn], side: str) -> float:
    """Longest stretch without more than a word or two from the other."""
    longest, start_s = 0.0, None
    for turn in turns:
        if turn.speaker == side:
            start_s = turn.start_s if start_s is None else start_s
            longest = max(longest, turn.end_s - start_s)
        elif len(turn.text.split()) > _ASIDE_WORDS:
            start_s = None
    return longest
