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
_ANSWER_WORDS = 8  # an answer is more than an "okay"


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
        if turn.speaker == "seller" or (confidence := _confidence(turn, mood, words)) is None:
            continue
        kind = _kind(turn.text, words)
        if kind == "other" and confidence < _SURE_OF_OTHER:
            continue  # a complaint about the world is no objection to the offer
        met, answer, why = _met(turns, moods, number, words, kind)
        found.append(Objection(kind, number, turn.start_s, turn.text, round(confidence, 3), met, answer, why))
    return found


def _confidence(turn: Turn, mood: Mood, words: Lexicon) -> float | None:
    says_so = words.objection_cues.search(turn.text) is not None
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
    if len(text.split()) < _ANSWER_WORDS:
        return False, first, "too_short"
    on_topic = kind in words.objections and words.objections[kind].search(text) is not None
    answers_it = words.answers.search(text) is not None
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
