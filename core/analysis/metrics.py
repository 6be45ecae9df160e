"""Who talked, how much and how: the measures that conversation-intelligence tools agree on. Times in seconds."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.lexicon import lexicon
from core.calls.turns import Turn

_INTERRUPTED_S = 0.5  # the other still had at least this much to say
_SENTENCES = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Monologue:
    """Longest stretch of one speaker without more than a word or two from another."""

    speaker: str
    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """`talk_ratio`: each speaker's share of all speaking time. `patience_s`: how long the seller waits after the
    customer stops (median). `interruptions`: turns begun while another spoke on for half a second or more."""

    talk_s: dict[str, float]
    talk_ratio: dict[str, float]
    words_per_minute: dict[str, float]
    questions: dict[str, int]
    interruptions: dict[str, int]
    longest_monologue: Monologue | None
    silence_share: float
    longest_silence_s: float
    patience_s: float | None
    turns: int


def measure(turns: Sequence[Turn], language: str) -> Metrics:
    speakers = sorted({turn.speaker for turn in turns})
    talk = {s: sum(t.end_s - t.start_s for t in turns if t.speaker == s) for s in speakers}
    total = sum(talk.values())
    silences = _silences(turns)
    span_s = (max(t.end_s for t in turns) - min(t.start_s for t in turns)) if turns else 0.0
    words = {s: sum(len(t.text.split()) for t in turns if t.speaker == s) for s in speakers}
    patience = [
        max(0.0, after.start_s - before.end_s)
        for before, after in itertools.pairwise(turns)
        if before.speaker == "customer" and after.speaker == "seller"
    ]
    return Metrics(
        talk_s={s: round(v, 2) for s, v in talk.items()},
        talk_ratio={s: round(v / total, 4) if total else 0.0 for s, v in talk.items()},
        words_per_minute={s: round(words[s] / talk[s] * 60, 1) if talk[s] else 0.0 for s in speakers},
        questions={s: sum(count_questions(t.text, language) for t in turns if t.speaker == s) for s in speakers},
        interruptions={s: _interruptions(turns, s) for s in speakers},
        longest_monologue=_monologue(turns),
        silence_share=round(sum(silences) / span_s, 4) if span_s else 0.0,
        longest_silence_s=round(max(silences, default=0.0), 2),
        patience_s=round(statistics.median(patience), 2) if patience else None,
        turns=len(turns),
    )


def count_questions(text: str, language: str) -> int:
    """Sentences that end in a question mark, or begin as a question where recognition wrote no mark."""
    asks = lexicon(language).questions
    sentences = [s for s in _SENTENCES.split(text) if s]
    return sum(1 for s in sentences if s.endswith("?") or (s[-1] not in ".!?" and asks.match(s) is not None))


def _silences(turns: Sequence[Turn]) -> list[float]:
    """Stretches between the first and last word in which nobody speaks."""
    gaps, end_s = [], turns[0].end_s if turns else 0.0
    for turn in sorted(turns, key=lambda t: t.start_s):
        if turn.start_s > end_s:
            gaps.append(turn.start_s - end_s)
        end_s = max(end_s, turn.end_s)
    return gaps


def _interruptions(turns: Sequence[Turn], speaker: str) -> int:
    return sum(
        1
        for turn in turns
        if turn.speaker == speaker
        and any(
            o.speaker != speaker and o.start_s < turn.start_s and o.end_s - turn.start_s >= _INTERRUPTED_S
            for o in turns
        )
    )


def _monologue(turns: Sequence[Turn]) -> Monologue | None:
    best: Monologue | None = None
    start: Turn | None = None
    end_s = 0.0
    for turn in turns:
        if start is not None and turn.speaker != start.speaker and len(turn.text.split()) <= 2:
            continue
        if start is None or turn.speaker != start.speaker:
            start = turn
        end_s = turn.end_s
        if best is None or end_s - start.start_s > best.duration_s:
            best = Monologue(start.speaker, start.start_s, round(end_s - start.start_s, 2))
    return best
