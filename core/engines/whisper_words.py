"""From Whisper's tokens with times to words that can be believed; what every engine with such a model shares."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from core.ports import Word

_HINTS_MAX_CHARS = 200
_HINT_MAX_CHARS = 40
# What Whisper says over noise, learnt from subtitles. Dropped only where it doubts itself.
_INVENTED = re.compile(
    r"^\W*(thank(s| you)( (so|very) much)?( for (watching|listening|viewing))?|(please )?subscribe.*|you|bye([ -]bye)?"
    r"|(legendas?|subtitles?|subtitled|captions?|transcri\w+|tradução) (pela?|by|por|de|da) .*"
    r"|obrigad[oa]|tchau|e a[ií])\W*$",
    re.IGNORECASE,
)
_DOUBT_NO_SPEECH = 0.3
_DOUBT_CONFIDENCE = 0.5
# Words that fit no sound: what a noise is taken for.
_LEAST_CONFIDENCE = 0.3
# The same few words over and over: a decoder that has lost its way.
_LOOP_REPEATS = 4
_LOOP_MAX_WORDS = 6


def hotwords(hints: Sequence[str]) -> str | None:
    """Names to expect, one line of plain words; as many as fit."""
    kept: list[str] = []
    for hint in hints:
        name = re.sub(r"[^\w&+.'’ -]+", " ", hint)[:_HINT_MAX_CHARS].strip()
        if name and name not in kept and sum(map(len, kept)) + len(name) <= _HINTS_MAX_CHARS:
            kept.append(name)
    return ", ".join(kept) or None


def believed(words: Sequence[Word], no_speech: float) -> list[tuple[Word, ...]]:
    """The sentences of one pass, but for those that are most likely made up. `no_speech`: Whisper's own doubt."""
    kept = []
    for said in _sentences(without_loops(tuple(words))):
        sure = confidence(said)
        doubtful = no_speech > _DOUBT_NO_SPEECH or sure < _DOUBT_CONFIDENCE
        if sure >= _LEAST_CONFIDENCE and not (doubtful and _INVENTED.match(" ".join(word.text for word in said))):
            kept.append(said)
    return kept


def confidence(words: Sequence[Word]) -> float:
    return round(sum(word.confidence for word in words) / len(words), 4)


def _sentences(words: Sequence[Word]) -> list[tuple[Word, ...]]:
    ends = [i + 1 for i, word in enumerate(words) if word.text.rstrip("\"'\u201d)").endswith((".", "?", "!", "…"))]
    edges = sorted({0, *ends, len(words)})
    return [tuple(words[a:b]) for a, b in itertools.pairwise(edges)]


def whole(raw: Sequence[Any], duration_s: float) -> tuple[Word, ...]:
    """Whole words in order of time: a part that Whisper writes without a space belongs to the word before it."""
    words: list[Word] = []
    for part in raw:
        text = part.word.strip()
        start_s, end_s = (min(max(float(at), 0.0), duration_s) for at in (part.start, part.end))
        if not text:
            continue
        if words and not part.word.startswith(" "):
            last = words.pop()
            text, start_s = last.text + text, last.start_s
            part.probability = min(part.probability, last.confidence)
        if words:
            start_s = max(start_s, words[-1].start_s)
        confidence = min(1.0, max(0.0, float(part.probability)))
        words.append(Word(text, round(start_s, 3), round(max(start_s, end_s), 3), round(confidence, 4)))
    return tuple(words)


def without_loops(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """A run of words said more than four times in a row is kept once."""
    kept: list[Word] = []
    at = 0
    said = [word.text.lower().strip(".,!?;:") for word in words]
    while at < len(words):
        for size in range(1, _LOOP_MAX_WORDS + 1):
            repeats = 1
            while said[at : at + size] == said[at + repeats * size : at + (repeats + 1) * size]:
                repeats += 1
            if repeats > _LOOP_REPEATS:
                kept += words[at : at + size]
                at += repeats * size
                break
        else:
            kept.append(words[at])
            at += 1
    return tuple(kept)
