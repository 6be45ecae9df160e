"""A score for the call from 0 to 100, each point with its reason. The rules are a table, so that they can be read.

Targets follow what published studies of many sales calls found good: the seller talks a little under half of the time,
asks 4 to 14 questions, and ends with a next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.metrics import Metrics
from core.analysis.next_steps import NextStep
from core.analysis.objections import Objection

START = 50


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """`key` names the rule, `points` what it gave or took, `value` what was measured."""

    key: str
    points: int
    value: float


@dataclass(frozen=True, slots=True)
class Score:
    points: int
    reasons: tuple[ScoreReason, ...]


def score(metrics: Metrics, objections: Sequence[Objection], steps: Sequence[NextStep], customer_trend: float) -> Score:
    reasons = [r for r in _reasons(metrics, objections, steps, customer_trend) if r.points != 0]
    total = START + sum(r.points for r in reasons)
    return Score(max(0, min(100, total)), tuple(sorted(reasons, key=lambda r: -abs(r.points))))


def _reasons(
    metrics: Metrics, objections: Sequence[Objection], steps: Sequence[NextStep], trend: float
) -> list[ScoreReason]:
    share = metrics.talk_ratio.get("seller", 0.0)
    questions = metrics.questions.get("seller", 0)
    interruptions = metrics.interruptions.get("seller", 0)
    monologue = metrics.longest_monologue
    long_s = monologue.duration_s if monologue is not None and monologue.speaker == "seller" else 0.0
    unmet = sum(not objection.met for objection in objections)
    met = len(objections) - unmet
    dated = any(step.due_on is not None for step in steps)
    return [
        ScoreReason("talk_share", 10 if 0.3 <= share <= 0.55 else -10 if share > 0.7 else 0, share),
        ScoreReason("questions", 10 if questions >= 4 else -5 if questions == 0 else 4, questions),
        ScoreReason("next_step", 15 if dated else 8 if steps else -10, len(steps)),
        ScoreReason("objections_met", min(12, 6 * met), met),
        ScoreReason("objections_unmet", max(-16, -8 * unmet), unmet),
        ScoreReason("customer_trend", round(max(-10.0, min(10.0, 20 * trend))), round(trend, 3)),
        ScoreReason("interruptions", max(-8, -2 * interruptions), interruptions),
        ScoreReason("monologue", -6 if long_s > 90 else 0, long_s),
    ]
