"""What could be said in a situation, each with what the ranking sees of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from core.knowledge.search import Answer
from core.live.playbook.battlecards import Battlecard
from core.live.playbook.entries import Entry
from core.live.understand import Situation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SuggestionKind = Literal["objection", "technique", "impact_phrase", "question", "battlecard"]
STALE_S = 30.0  # what came up so long ago is over
_PASSES_S = 5.0  # and so are an intention and a mood: they want an answer at once or none
_FADES_S = 15.0
_FALLING = -0.4  # trend of the mood from which it falls
_FALLS_FROM_S = 60.0  # of a call: small talk at its beginning is merrier than business
_FLOOR = 0.8  # cosine of two texts of E5 that have nothing to do with each other
_SPAN = 0.1
_ASKED = 0.87  # cosine to what the seller asks from which an entry has to do with it


@dataclass(frozen=True, slots=True)
class Cause:
    """What a suggestion answers to: a trigger of playbooks (or `asked`), when and how surely it came up, the words."""

    trigger: str
    at_s: float
    confidence: float
    text: str
    competitor_id: UUID | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`key` names it to the ranking and keeps it from being said twice; `source` says where it is from."""

    key: str
    kind: SuggestionKind
    text: str
    source: str
    cause: Cause
    features: Mapping[str, float]


def causes(now: Situation) -> list[Cause]:
    """What is fresh, newest first. What the seller asks about stands alone; where he asks for anything, all that is
    open counts, and what was said last."""
    if now.asked:
        return [Cause("asked", now.at_s, 1.0, now.asked)]
    found = [Cause(f"objection:{one.name}", one.at_s, one.confidence, one.text) for one in now.objections]
    if now.question is not None:
        found.append(Cause("question", now.question.at_s, now.question.confidence, now.question.text))
    found += [Cause("competitor", one.at_s, 1.0, one.name, one.competitor_id) for one in now.competitors]
    last = now.said[-1] if now.said else ""
    found += [Cause(f"intent:{name}", at_s, 0.8, last) for name, at_s in now.intents]
    if now.trend <= _FALLING and now.said and now.at_s >= _FALLS_FROM_S:
        found.append(Cause("mood:falling", now.at_s, min(1.0, -now.trend), last))
    if now.asked is not None:
        return [*sorted(found, key=lambda one: -one.at_s), Cause("asked", now.at_s, 1.0, last)]
    fresh = [one for one in found if now.at_s - one.at_s <= _lasts_s(one)]
    return sorted(fresh, key=lambda one: -one.at_s)


def _lasts_s(cause: Cause) -> float:
    return _PASSES_S if cause.trigger.startswith(("intent:", "mood:")) else STALE_S


def candidates(
    now: Situation, found: Sequence[Cause], vectors: Mapping[str, NDArray[np.float32]], entries: Sequence[Entry],
    cards: Mapping[UUID, Battlecard], answers: Mapping[str, Answer],
) -> Iterator[Candidate]:  # fmt: skip
    """`vectors` and `answers`: by the text of a cause, as far as they are known."""
    for cause in found:
        about = _about(now, cause)
        if cause.trigger.startswith("earlier:"):
            yield _made(cause.trigger, "technique", cause.text, cause.source, cause, {**about, "exact": 1.0})
        card = cards.get(cause.competitor_id) if cause.competitor_id else None
        if card is not None:
            source, seen = f"battlecard:{card.competitor_id}", {**about, "from:battlecard": 1.0, "exact": 1.0}
            yield _made(source, "battlecard", card.text, source, cause, seen)
        answer = answers.get(cause.text)
        if answer is not None:
            place = answer.citation
            kind: SuggestionKind = "objection" if cause.trigger.startswith("objection:") else "impact_phrase"
            source = f"knowledge:{place.document_id}#{place.passage}"
            seen = {**about, "from:knowledge": 1.0, "exact": 1.0, "sure": answer.confidence}
            yield _made(source, kind, answer.text, source, cause, seen)
        for entry in entries:
            likeness = _likeness(vectors.get(cause.text), entry)
            if cause.trigger in entry.on or (cause.trigger == "asked" and likeness >= (_ASKED - _FLOOR) / _SPAN):
                seen = {**about, f"from:{entry.source}": 1.0, "exact": 1.0, "likeness": likeness}
                yield _made(entry.key, entry.kind, entry.say, entry.key, cause, seen)


def _about(now: Situation, cause: Cause) -> dict[str, float]:
    fresh = math.exp(-max(0.0, now.at_s - cause.at_s) / _FADES_S)
    falling = {"falling": 1.0} if now.trend <= _FALLING else {}
    what = cause.trigger.partition(":")[0]
    return {"bias": 1.0, "fresh": fresh, "sure": cause.confidence, f"on:{what}": 1.0, **falling}


def _likeness(vector: NDArray[np.float32] | None, entry: Entry) -> float:
    """0 for nothing in common, 1 for nearly the same."""
    if vector is None or entry.vector is None or len(vector) != len(entry.vector):
        return 0.0
    return min(1.0, max(0.0, (float(vector @ entry.vector) - _FLOOR) / _SPAN))


def _made(
    key: str, kind: SuggestionKind, text: str, source: str, cause: Cause, features: Mapping[str, float]
) -> Candidate:
    seen = {name: round(x, 4) for name, x in {**features, f"kind:{kind}": 1.0, f"entry:{key}": 1.0}.items()}
    return Candidate(key, kind, text, source, cause, seen)
