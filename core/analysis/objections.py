"""Objections of the customer, and whether the seller met them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.lexicon import Lexicon, lexicon
from core.calls.turns import Turn
from core.ports import Intention, Mood

_SURE = 0.5  # intention confidence that suffices alone
_HALF_SURE = 0.25  # suffices together with words of an objection
_SURE_OF_OTHER = 0.85  # where no word says what it is about
_ANSWER_TURNS = 3  # how many turns the seller has to answer
ANSWER_WORDS = 8  # an answer is more than an "okay"


@dataclass(frozen=True, slots=True)
class Objection:
    """`turn` holds it, `answer_turn` the seller's answer. `met` with `why`: answered_on_topic, answered_and_calmed,
    too_short, changed_subject, no_answer."""

    kind: str
    turn: int
    start_s: float
    text: str
    confidence: float
    met: bool
    answer_turn: int | None
    why: str


def find(turns: Sequence[Turn], moods: Sequence[Mood], language: str) -> list[Objection]:
    words = lexicon(language)
    found = []
    for number, (turn, mood) in enumerate(zip(turns, moods, strict=True)):
        raised = None if turn.speaker == "seller" else raised_in(turn.text, mood, words)
        if raised is None:
            continue
        kind, confidence = raised
        met, answer, why = _met(turns, moods, number, words, kind)
        found.append(Objection(kind, number, turn.start_s, turn.text, round(confidence, 3), met, answer, why))
    return found


def raised_in(text: str, mood: Mood, words: Lexicon) -> tuple[str, float] | None:
    """The kind of the objection that somebody else than the seller raises with these words, and how sure that is."""
    confidence = _confidence(text, mood, words)
    if confidence is None:
        return None
    kind = _kind(text, words)
    # A complaint about the world is no objection to the offer.
    return None if kind == "other" and confidence < _SURE_OF_OTHER else (kind, confidence)


def cued_in(text: str, words: Lexicon) -> str | None:
    """The kind of an objection that words alone give away, before its sentence is whole."""
    kind = _kind(text, words)
    return kind if kind != "other" and words.objection_cues.search(text) is not None else None


def speaks_to(text: str, kind: str, words: Lexicon) -> tuple[bool, bool]:
    """Of what the seller said after an objection: is it long enough and about the same thing, does it answer?"""
    if len(text.split()) < ANSWER_WORDS:
        return False, False
    on_topic = kind in words.objections and words.objections[kind].search(text) is not None
    return on_topic, words.answers.search(text) is not None


def _confidence(text: str, mood: Mood, words: Lexicon) -> float | None:
    says_so = words.objection_cues.search(text) is not None
    objects = mood.intention is Intention.OBJECTION
    if objects and (mood.intention_confidence >= _SURE or (says_so and mood.intention_confidence >= _HALF_SURE)):
        return max(mood.intention_confidence, 0.7 if says_so else 0.0)
    # A buying signal or a commitment that is sure of itself outweighs a cue such as "expensive" in passing.
    agrees = mood.intention in (Intention.BUYING_SIGNAL, Intention.COMMITMENT) and mood.intention_confidence >= _SURE
    return 0.6 if says_so and not agrees else None


def _kind(text: str, words: Lexicon) -> str:
    hits = {kind: len(pattern.findall(text)) for kind, pattern in words.objections.items()}
    best = max(hits, key=lambda kind: hits[kind])
    return best if hits[best] else "other"


def _met(
    turns: Sequence[Turn], moods: Sequence[Mood], number: int, words: Lexicon, kind: str
) -> tuple[bool, int | None, str]:
    """An answer speaks to the same thing, or acknowledges it and leaves the customer no unhappier than before."""
    answers = [
        i for i in range(number + 1, min(len(turns), number + 1 + _ANSWER_TURNS)) if turns[i].speaker == "seller"
    ]
    if not answers:
        return False, None, "no_answer"
    first = answers[0]
    text = turns[first].text
    if len(text.split()) < ANSWER_WORDS:
        return False, first, "too_short"
    on_topic, answers_it = speaks_to(text, kind, words)
    after = next((i for i in range(first + 1, len(turns)) if turns[i].speaker == turns[number].speaker), None)
    worse = after is not None and moods[after].valence < moods[number].valence - 0.1
    objects_again = after is not None and moods[after].intention is Intention.OBJECTION and moods[after].valence < 0
    if objects_again and worse:
        return False, first, "changed_subject" if not on_topic else "no_answer"
    if on_topic and answers_it:
        return True, first, "answered_on_topic"
    if answers_it and after is not None and moods[after].valence > moods[number].valence:
        return True, first, "answered_and_calmed"
    return False, first, "changed_subject"
