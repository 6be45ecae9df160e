"""What is meant by what is said, sentence by sentence, as soon as a sentence is stable.

Competitors' names and words that give an objection away count at once, in the midst of a sentence; what a model has to
judge waits for its end. What the seller should react to does not wait for a word in doubt before it: it counts once it
was heard twice. What was said is data: it is looked at, and never followed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from rapidfuzz import fuzz

from core.analysis.lexicon import lexicon
from core.analysis.objections import ANSWER_WORDS, cued_in, raised_in, speaks_to
from core.calls.turns import Turn
from core.competitors.detect import Competitor, detect
from core.live.heard import Heard, Side
from core.ports import Intention, Mood, SentimentAnalyzer

Kind = Literal["intent", "objection", "competitor", "question", "mood", "answered"]

QUESTION = "question"
"""What an answered question is called among what was answered."""

_SENTENCE = re.compile(r"(?:[^.!?…]|[.](?=\d))*(?:[.!?…]+[\"'”’)]*|$)\s*")
_END = re.compile(r"[.!?…][\"'”’)]*$")
_MOST_WORDS = 30  # a sentence without an end is taken for one
_LEAST_WORDS = 3  # fewer say too little for a model
_CUED = 0.6  # confidence in an objection that only its words give away
_SURE = 0.5  # confidence from which an intention is told
_TOLD = (Intention.BUYING_SIGNAL, Intention.REQUEST, Intention.COMMITMENT)
_WEIGHT = 0.4  # of the newest sentence in the mood
_RECENT = 8  # moods between which the trend is taken
_KEPT_SENTENCES = 12  # of what was said last
_ALIKE = 80.0  # per cent that two sentences have in common that are one, heard twice


@dataclass(frozen=True, slots=True)
class Understood:
    """One finding. `name`: the intention, the kind of objection, the competitor, or what was answered. Of a mood:
    `valence` in [-1, 1], smoothed, and `trend` in [-2, 2], how much better it is than some sentences ago."""

    kind: Kind
    side: Side
    utterance: int
    at_s: float
    name: str
    text: str  # the sentence that it rests on
    confidence: float
    competitor_id: UUID | None = None
    valence: float = 0.0
    trend: float = 0.0


@dataclass(frozen=True, slots=True)
class Open:
    """Something that the seller has not answered yet: `name` is the kind of an objection, or `question`."""

    name: str
    text: str
    at_s: float
    valence: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Named:
    """A competitor, when it was named last."""

    competitor_id: UUID
    name: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the conversation stands: what a suggestion may rest on. Newest last. `asked`: what the seller asks
    about; empty: for anything that helps now."""

    language: str
    at_s: float = 0.0
    objections: tuple[Open, ...] = ()
    question: Open | None = None
    competitors: tuple[Named, ...] = ()
    intents: tuple[tuple[str, float], ...] = ()
    """Intention of the customer → when, newest last."""
    answered: tuple[str, ...] = ()
    valence: float = 0.0
    trend: float = 0.0
    said: tuple[str, ...] = ()
    """The customer's last sentences."""
    asked: str | None = None

    def asking(self, text: str) -> Situation:
        return replace(self, asked=text)


@dataclass(slots=True)
class _Place:
    """How far one side's utterance was read."""

    utterance: int = -1
    read: int = 0  # characters
    rest: str = ""  # behind them, stable and not whole
    told: list[str] = field(default_factory=list)
    early: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Utterance, kind, name and text of what was told before its sentence was stable and whole."""
    heard: list[str] = field(default_factory=list)  # sentences of the last partial
    glimpsed: list[str] = field(default_factory=list)  # what its words gave away
    judged: list[str] = field(default_factory=list)  # sentences that were heard twice, and looked at
    text: str = ""  # since the customer spoke last: what an answer is judged by


class Understanding:
    """One conversation's. `take` in the order in which things were heard; it says nothing twice."""

    def __init__(self, moods: SentimentAnalyzer, rivals: Sequence[Competitor], *, language: str) -> None:
        self._moods = moods
        self._rivals = tuple(rivals)
        self._language = language
        self._words = lexicon(language)
        self._places: dict[str, _Place] = {}
        self._valences: list[float] = []
        self._found: dict[str, Mood] = {}  # of the sentences of late: most are heard early, and again when stable
        self._now = Situation(language)

    def situation(self) -> Situation:
        return self._now

    async def take(self, heard: Heard) -> list[Understood]:
        if heard.kind == "speech_started":
            return []
        place = self._place(heard)
        self._now = replace(self._now, at_s=max(self._now.at_s, heard.at_s))
        if heard.kind == "partial":
            return await self._early(heard, place)
        whole, rest = _sentences(heard.text, place.read, final=heard.kind == "final")
        place.read, place.rest = len(heard.text) - len(rest), rest.strip()
        moods = await self._judged(heard, whole)
        found = [one for text in whole for one in self._sentence(heard, text, moods.get(text))]
        fresh = [one for one in found if self._once(place, one)]
        fresh += [one for one in self._glance(heard, place.rest) if self._once(place, one, early=True)]
        for one in fresh:
            self._note(one)
        # Nobody answers in the same breath.
        raised = heard.side is Side.UNKNOWN and any(one.kind in ("objection", "question") for one in found)
        return fresh + ([] if heard.side is Side.CUSTOMER or raised else self._answers(heard, whole))

    async def _early(self, heard: Heard, place: _Place) -> list[Understood]:
        """What the seller should react to, as soon as two hypotheses say it, with whatever doubt about a word of it."""
        whole, rest = _sentences(f"{place.rest} {heard.text}".strip(), 0, final=False)
        twice = [text for text in whole if _among(text, place.heard) and not _among(text, place.judged)]
        place.heard, place.judged = whole, [*place.judged, *twice]
        moods = await self._judged(heard, twice)
        found = [one for text in twice for one in self._meant(heard, text, moods.get(text))]
        glimpsed = {
            f"{one.kind}:{one.name}": one for text in (*whole, rest) for one in self._glance(heard, text.strip())
        }
        found += [one for key, one in glimpsed.items() if key in place.glimpsed]
        place.glimpsed = list(glimpsed)
        fresh = [one for one in found if self._once(place, one, early=True)]
        for one in fresh:
            self._note(one)
        return fresh

    def _place(self, heard: Heard) -> _Place:
        place = self._places.setdefault(heard.side.value, _Place())
        if place.utterance != heard.utterance:
            # A turn that was divided goes on with what was told early.
            place.early = [one for one in place.early if one[0] == place.utterance == heard.utterance - 1]
            place.utterance, place.read, place.rest, place.told = heard.utterance, 0, "", []
            place.heard, place.glimpsed, place.judged = [], [], []
        return place

    async def _judged(self, heard: Heard, sentences: Sequence[str]) -> dict[str, Mood]:
        """Moods of the customer's sentences, as far as they say enough."""
        if heard.side is Side.SELLER:
            return {}
        texts = [text for text in sentences if len(text.split()) >= _LEAST_WORDS]
        new = [text for text in texts if text not in self._found]
        fresh = dict(zip(new, await self._moods.analyze(new), strict=True)) if new else {}
        moods = {text: fresh[text] if text in fresh else self._found[text] for text in texts}
        self._found = dict(list({**self._found, **moods}.items())[-_KEPT_SENTENCES:])
        return moods

    # ── one sentence ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _sentence(self, heard: Heard, text: str, mood: Mood | None) -> list[Understood]:
        found = self._names(heard, text)
        if heard.side is Side.SELLER:
            return found
        self._now = replace(self._now, said=(*self._now.said, text)[-_KEPT_SENTENCES:])
        if mood is not None:
            found.append(self._mood(heard, text, mood))
        return found + self._meant(heard, text, mood)

    def _meant(self, heard: Heard, text: str, mood: Mood | None) -> list[Understood]:
        """The intention, objection or question of a sentence of the customer's: what the seller should react to."""
        if heard.side is Side.SELLER:
            return []
        if mood is not None:
            raised = raised_in(text, mood, self._words)
        else:
            cue = cued_in(text, self._words)
            raised = (cue, _CUED) if cue else None
        if raised:
            return [_found("objection", heard, raised[0], text, raised[1])]
        found = []
        if mood is not None and mood.intention in _TOLD and mood.intention_confidence >= _SURE:
            found.append(_found("intent", heard, mood.intention.value, text, mood.intention_confidence))
        if text.endswith("?") or self._words.questions.search(text) is not None:
            found.append(_found("question", heard, QUESTION, text, 0.9 if text.endswith("?") else 0.6))
        return found

    def _glance(self, heard: Heard, text: str) -> list[Understood]:
        """What needs no whole sentence."""
        if not text:
            return []
        found = self._names(heard, text)
        if heard.side is not Side.SELLER and (kind := cued_in(text, self._words)):
            found.append(_found("objection", heard, kind, text, _CUED))
        return found

    def _names(self, heard: Heard, text: str) -> list[Understood]:
        turn = Turn(heard.side.value, heard.at_s, heard.at_s, text, (), 1.0)
        return [
            _found("competitor", heard, mention.name, text, mention.score, competitor_id=mention.competitor_id)
            for mention in detect([turn], self._rivals)
        ]

    def _mood(self, heard: Heard, text: str, mood: Mood) -> Understood:
        before = self._valences[-1] if self._valences else mood.valence
        self._valences = [*self._valences, before + _WEIGHT * (mood.valence - before)][-_RECENT:]
        valence, trend = self._valences[-1], self._valences[-1] - self._valences[0]
        told = _found("mood", heard, mood.emotion.value, text, mood.valence_confidence)
        return replace(told, valence=round(valence, 3), trend=round(trend, 3))

    def _once(self, place: _Place, one: Understood, *, early: bool = False) -> bool:
        """It was not told before its sentence was whole, and an utterance does not say one thing several times."""
        if one.kind == "mood":
            return True
        before = next((told for told in place.early if _same(told, one)), None)
        if before is not None:
            if not early:
                place.early.remove(before)
            return False
        if early:
            place.early.append((one.utterance, one.kind, one.name, one.text))
        if one.kind in ("intent", "question"):
            return True
        key = f"{one.kind}:{one.name}"
        if key in place.told:
            return False
        place.told.append(key)
        return True

    # ── where the conversation stands ────────────────────────────────────────────────────────────────────────────────

    def _note(self, one: Understood) -> None:
        now = self._now
        if one.kind in ("objection", "question"):
            waits = Open(one.name, one.text, one.at_s, self._valences[-1] if self._valences else 0.0, one.confidence)
            self._reset_answer()
            if one.kind == "question":
                now = replace(now, question=waits)
            else:
                # What it is about came after "I have one more concern".
                others = tuple(o for o in now.objections if o.name not in (one.name, "other"))
                answered = tuple(name for name in now.answered if name != one.name)
                now = replace(now, objections=(*others, waits), answered=answered)
        elif one.kind == "competitor" and one.competitor_id is not None:
            others_named = tuple(c for c in now.competitors if c.competitor_id != one.competitor_id)
            now = replace(now, competitors=(*others_named, Named(one.competitor_id, one.name, one.at_s)))
        elif one.kind == "intent":
            now = replace(now, intents=(*(i for i in now.intents if i[0] != one.name), (one.name, one.at_s)))
        elif one.kind == "mood":
            now = replace(now, valence=one.valence, trend=one.trend)
        self._now = now

    def _reset_answer(self) -> None:
        for place in self._places.values():
            place.text = ""

    def _answers(self, heard: Heard, sentences: Sequence[str]) -> list[Understood]:
        """Which of the open things the seller has answered by what he said since."""
        if not sentences:
            return []
        place = self._places[heard.side.value]
        place.text = f"{place.text} {' '.join(sentences)}".strip()
        now, found = self._now, []
        for waits in now.objections:
            on_topic, answers_it = speaks_to(place.text, waits.name, self._words)
            if on_topic and answers_it:
                found.append(_found("answered", heard, waits.name, place.text, 0.7))
        if now.question is not None and len(place.text.split()) >= ANSWER_WORDS:
            found.append(_found("answered", heard, QUESTION, place.text, 0.5))
        names = {one.name for one in found}
        self._now = replace(
            now,
            objections=tuple(o for o in now.objections if o.name not in names),
            question=None if QUESTION in names else now.question,
            answered=(*(name for name in now.answered if name not in names), *sorted(names)),
        )
        return found

    # ── to go on elsewhere ───────────────────────────────────────────────────────────────────────────────────────────

    def state(self) -> dict[str, Any]:
        """As JSON: all that `restore` needs to go on in another process."""
        now = asdict(self._now)
        for named in now["competitors"]:
            named["competitor_id"] = str(named["competitor_id"])
        places = {side: asdict(place) for side, place in self._places.items()}
        return {"now": now, "places": places, "valences": list(self._valences)}

    def restore(self, state: Mapping[str, Any]) -> None:
        now = dict(state["now"])
        named = tuple(Named(UUID(c["competitor_id"]), c["name"], c["at_s"]) for c in now.pop("competitors"))
        objections = tuple(Open(**one) for one in now.pop("objections"))
        question = Open(**asked) if (asked := now.pop("question")) else None
        intents = tuple((str(name), float(at_s)) for name, at_s in now.pop("intents"))
        rest: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in now.items()}
        self._now = Situation(**rest, objections=objections, question=question, competitors=named, intents=intents)
        self._places = {
            side: _Place(**{**place, "early": [tuple(one) for one in place["early"]]})
            for side, place in state["places"].items()
        }
        self._valences = list(state["valences"])


def _sentences(text: str, start: int, *, final: bool) -> tuple[list[str], str]:
    """The whole sentences from `start` on, and the rest, which has no end yet."""
    whole, at = [], start
    for match in _SENTENCE.finditer(text, start):
        part = match.group()
        if not part.strip():
            continue
        if not (final or _END.search(part.rstrip()) or len(part.split()) >= _MOST_WORDS):
            break
        whole.append(part.strip())
        at = match.end()
    return whole, text[at:]


def _found(
    kind: Kind, heard: Heard, name: str, text: str, confidence: float, *, competitor_id: UUID | None = None
) -> Understood:
    return Understood(
        kind, heard.side, heard.utterance, heard.at_s, name, text, round(confidence, 3), competitor_id=competitor_id
    )


def _same(told: tuple[int, str, str, str], one: Understood) -> bool:
    _, kind, name, text = told
    several = kind in ("intent", "question")  # of these a turn may have several
    return (kind, name) == (one.kind, one.name) and (not several or _among(one.text, [text]))


def _among(sentence: str, others: Sequence[str]) -> bool:
    return any(fuzz.ratio(sentence, other) >= _ALIKE for other in others)
