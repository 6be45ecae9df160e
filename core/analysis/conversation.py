"""Everything that one conversation showed, in one value."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from core.analysis import metrics as measuring
from core.analysis import next_steps as stepping
from core.analysis import objections as objecting
from core.analysis.lexicon import lexicon
from core.analysis.metrics import Metrics
from core.analysis.next_steps import NextStep
from core.analysis.objections import Objection
from core.analysis.score import Score, score
from core.calls.turns import Turn
from core.ports import Intention, Mood

_SURE = 0.4  # confidence from which an intention counts


class Mention(Protocol):
    """A competitor's naming, as `core.competitors.detect` finds it."""

    @property
    def name(self) -> str: ...
    @property
    def turn(self) -> int: ...
    @property
    def start_s(self) -> float: ...
    @property
    def heard_as(self) -> str: ...
    @property
    def score(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: in which turns, and its share of all turns that have one."""

    name: str
    turns: tuple[int, ...]
    first_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the sentiment timeline: a turn's middle, smoothed valence from -1 to 1."""

    at_s: float
    valence: float


@dataclass(frozen=True, slots=True)
class SideMood:
    """One side's mood: mean valence, its trend (later half minus earlier half), and the timeline."""

    valence: float
    trend: float
    timeline: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Naming:
    """A competitor was named: by whom, what was said, and the seller's turn that followed."""

    name: str
    heard_as: str
    by: str
    turn: int
    start_s: float
    score: float
    said: str
    answer_turn: int | None


@dataclass(frozen=True, slots=True)
class Insights:
    metrics: Metrics
    sentiment: dict[str, SideMood]
    topics: tuple[Topic, ...]
    objections: tuple[Objection, ...]
    competitors: tuple[Naming, ...]
    proposed_competitors: tuple[str, ...]
    buying_signals: tuple[int, ...]
    commitments: tuple[int, ...]
    next_steps: tuple[NextStep, ...]
    score: Score

    def to_json(self) -> dict[str, Any]:
        raw: dict[str, Any] = dataclasses.asdict(self)
        for step in raw["next_steps"]:
            step["due_on"] = step["due_on"].isoformat() if step["due_on"] else None
        return raw

    def for_deal(self) -> dict[str, Any]:
        """What the history of the deal notes of the call."""
        customer = self.sentiment.get("customer")
        return {
            "kind": "call",
            "direction": "out",
            "sentiment": customer.valence if customer else None,
            "objections": len(self.objections),
            "unanswered_objections": sum(not o.met for o in self.objections),
            "competitors": len({naming.name for naming in self.competitors}),
            "buying_signals": len(self.buying_signals),
            "has_next_step": bool(self.next_steps),
        }


def insights(
    turns: Sequence[Turn], moods: Sequence[Mood], *, language: str, called_at: datetime,
    mentions: Sequence[Mention], proposed: Sequence[str],
) -> Insights:  # fmt: skip
    """`moods`: one for each turn, in the same order."""
    measured = measuring.measure(turns, language)
    sides = {s: _side(turns, moods, s) for s in sorted({turn.speaker for turn in turns})}
    objections = objecting.find(turns, moods, language)
    steps = stepping.find(turns, language, called_at.date())
    trend = sides["customer"].trend if "customer" in sides else 0.0
    return Insights(
        metrics=measured,
        sentiment=sides,
        topics=_topics(turns, language),
        objections=tuple(objections),
        competitors=tuple(_naming(turns, mention) for mention in mentions),
        proposed_competitors=tuple(proposed),
        buying_signals=_intended(turns, moods, Intention.BUYING_SIGNAL),
        commitments=_intended(turns, moods, Intention.COMMITMENT),
        next_steps=tuple(steps),
        score=score(measured, objections, steps, trend),
    )


def _side(turns: Sequence[Turn], moods: Sequence[Mood], speaker: str) -> SideMood:
    """Longer turns weigh more; the timeline is smoothed over three turns."""
    mine = [(t, m.valence, max(1, len(t.words))) for t, m in zip(turns, moods, strict=True) if t.speaker == speaker]
    smooth = []
    for number, (turn, _, _) in enumerate(mine):
        near = mine[max(0, number - 1) : number + 2]
        value = sum(v * w for _, v, w in near) / sum(w for _, _, w in near)
        smooth.append(Point(round((turn.start_s + turn.end_s) / 2, 2), round(value, 3)))
    half = len(mine) // 2
    trend = _mean(mine[half:]) - _mean(mine[:half]) if half else 0.0
    return SideMood(round(_mean(mine), 3), round(trend, 3), tuple(smooth))


def _mean(part: Sequence[tuple[Turn, float, int]]) -> float:
    weight = sum(w for _, _, w in part)
    return sum(v * w for _, v, w in part) / weight if weight else 0.0


def _topics(turns: Sequence[Turn], language: str) -> tuple[Topic, ...]:
    places: dict[str, list[int]] = {}
    for number, turn in enumerate(turns):
        for name, pattern in lexicon(language).topics.items():
            if pattern.search(turn.text):
                places.setdefault(name, []).append(number)
    total = len({number for numbers in places.values() for number in numbers})
    counts = Counter({name: len(numbers) for name, numbers in places.items()})
    return tuple(
        Topic(name, tuple(places[name]), turns[places[name][0]].start_s, round(count / total, 3))
        for name, count in counts.most_common()
    )


def _naming(turns: Sequence[Turn], mention: Mention) -> Naming:
    turn = turns[mention.turn]
    answer = next((i for i in range(mention.turn + 1, len(turns)) if turns[i].speaker == "seller"), None)
    if turn.speaker == "seller":
        answer = mention.turn
    return Naming(
        mention.name, mention.heard_as, turn.speaker, mention.turn, mention.start_s, round(mention.score, 3),
        turn.text, answer,
    )  # fmt: skip


def _intended(turns: Sequence[Turn], moods: Sequence[Mood], intention: Intention) -> tuple[int, ...]:
    return tuple(
        number
        for number, (turn, mood) in enumerate(zip(turns, moods, strict=True))
        if turn.speaker != "seller" and mood.intention is intention and mood.intention_confidence >= _SURE
    )
