"""Everything that one conversation showed, put together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.conversation import Insights, Naming, Point, SideMood, insights
from core.calls.turns import Turn
from core.competitors.detect import Mention
from core.ports import Emotion, Intention, Mood, Word

CALLED_AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def turn(speaker: str, start_s: float, end_s: float, text: str) -> Turn:
    words = tuple(Word(word, start_s, end_s, 0.9) for word in text.split())
    return Turn(speaker, start_s, end_s, text, words, 0.9)


def mood(valence: float = 0.0, intention: Intention = Intention.INFORMATION, confidence: float = 0.9) -> Mood:
    return Mood(valence, 0.9, 0.3, Emotion.NEUTRAL, 0.9, intention, confidence)


def found(turns: list[Turn], moods: list[Mood], language: str = "en", **more: Any) -> Insights:
    return insights(turns, moods, language=language, called_at=CALLED_AT, **{"mentions": [], "proposed": [], **more})


CALL = [
    turn("seller", 0.0, 4.0, "How do you forecast today?"),
    turn("customer", 5.0, 9.0, "With a spreadsheet, and it is too expensive to keep."),
    turn("seller", 10.0, 16.0, "I understand, so our price includes the spreadsheet import and all training."),
    turn("customer", 17.0, 21.0, "We are talking to Rival too. Great, we want it."),
    turn("seller", 22.0, 26.0, "I'll send you the contract on Friday."),
]
MOODS = [
    mood(0.2), mood(-0.4, Intention.OBJECTION), mood(0.3), mood(0.6, Intention.BUYING_SIGNAL),
    mood(0.5, Intention.COMMITMENT),
]  # fmt: skip


def test_what_goes_into_the_history_of_the_deal() -> None:
    mention = Mention(UUID(int=1), "Rival", 3, 18.0, "Rival", 1.0, "exact")
    assert found(CALL, MOODS, mentions=[mention, mention]).for_deal() == {
        "kind": "call", "direction": "out", "sentiment": 0.1, "objections": 1, "unanswered_objections": 0,
        "competitors": 1, "buying_signals": 1, "has_next_step": True,
    }  # fmt: skip


def test_a_call_in_which_nobody_spoke_shows_nothing() -> None:
    empty = found([], [])
    assert (empty.sentiment, empty.topics, empty.objections, empty.next_steps) == ({}, (), (), ())
    assert empty.for_deal() == {
        "kind": "call", "direction": "out", "sentiment": None, "objections": 0, "unanswered_objections": 0,
        "competitors": 0, "buying_signals": 0, "has_next_step": False,
    }  # fmt: skip


def test_the_days_of_steps_are_seen_from_the_day_of_the_call() -> None:
    read = json.loads(json.dumps(found(CALL, MOODS).to_json()))
    assert read["next_steps"] == [
        {"owner": "seller", "text": "I'll send you the contract on Friday.", "turn": 4, "due_on": "2026-11-27"}
    ]


# ── mood ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sides_mood_weighs_by_words_and_its_line_is_smoothed_over_three_turns() -> None:
    turns = [
        turn("customer", 0.0, 2.0, "no"), turn("seller", 3.0, 4.0, "why"), turn("customer", 5.0, 9.0, "it is bad"),
        turn("customer", 20.0, 22.0, "fine"), turn("customer", 23.0, 27.0, "good good good"),
    ]  # fmt: skip
    moods = [mood(-1.0), mood(0.5), mood(-0.2), mood(0.4), mood(0.8)]
    assert found(turns, moods).sentiment == {
        # (-1·1 - 0.2·3 + 0.4·1 + 0.8·3) / 8; (0.4 + 2.4) / 4 - (-1 - 0.6) / 4
        "customer": SideMood(0.15, 1.1, (Point(1.0, -0.4), Point(7.0, -0.24), Point(21.0, 0.314), Point(25.0, 0.7))),
        "seller": SideMood(0.5, 0.0, (Point(3.5, 0.5),)),
    }


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["What is the price?", "Hello.", "Does the price include integration?", "Our sales team likes it."]),
        ("pt", ["Qual é o preço?", "Olá.", "O preço inclui a integração?", "A equipe gosta."]),
    ],
)
def test_topics_are_counted_by_turns_the_most_frequent_first(language: str, texts: list[str]) -> None:
    turns = [turn("customer", 10.0 * n, 10.0 * n + 5, text) for n, text in enumerate(texts)]
    topics = found(turns, [mood()] * 4, language).topics
    assert [(t.name, t.turns, t.first_s, t.share) for t in topics] == [
        ("pricing", (0, 2), 0.0, 0.667), ("integration", (2,), 20.0, 0.333), ("team", (3,), 30.0, 0.333)
    ]  # fmt: skip


# ── intentions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signals_and_commitments_are_the_customers_and_sure() -> None:
    turns = [turn(speaker, float(n), n + 1.0, "ok") for n, speaker in enumerate(["customer"] * 4 + ["seller"] * 2)]
    moods = [
        mood(0.0, Intention.BUYING_SIGNAL, 0.4), mood(0.0, Intention.BUYING_SIGNAL, 0.39),
        mood(0.0, Intention.COMMITMENT, 0.9), mood(0.0, Intention.REQUEST), mood(0.0, Intention.COMMITMENT),
        mood(0.0, Intention.BUYING_SIGNAL),
    ]  # fmt: skip
    shown = found(turns, moods)
    assert (shown.buying_signals, shown.commitments) == ((0,), (2,))


# ── competitors ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_naming_says_who_said_what_and_what_the_seller_answered() -> None:
    mentions = [
        Mention(UUID(int=1), "Rival", 1, 6.0, "Ryval", 0.92345, "fuzzy"),
        Mention(UUID(int=1), "Rival", 4, 23.0, "Rival", 1.0, "exact"),
    ]
    turns = [*CALL, turn("customer", 30.0, 31.0, "Rival, then.")]
    mentions.append(Mention(UUID(int=1), "Rival", 5, 30.0, "Rival", 1.0, "exact"))
    named = found(turns, [*MOODS, mood()], mentions=mentions, proposed=["Novo"])
    assert named.competitors == (
        Naming("Rival", "Ryval", "customer", 1, 6.0, 0.923, CALL[1].text, 2),
        Naming("Rival", "Rival", "seller", 4, 23.0, 1.0, CALL[4].text, 4),
        Naming("Rival", "Rival", "customer", 5, 30.0, 1.0, "Rival, then.", None),
    )
    assert named.proposed_competitors == ("Novo",)


# ── always ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SAID = st.tuples(
    st.sampled_from(["seller", "customer", "speaker_1"]),
    st.sampled_from(["How much is it?", "too expensive", "É caro.", "I'll send it tomorrow.", "ok", ""]),
    st.builds(mood, st.floats(-1, 1), st.sampled_from(Intention), st.floats(0, 1)),
)


@given(st.lists(SAID, max_size=10), st.sampled_from(["pt", "en"]))
def test_whatever_is_said_the_insights_are_json_and_in_range(said: list[tuple[str, str, Mood]], language: str) -> None:
    turns = [turn(speaker, 2.0 * n, 2.0 * n + 1, text) for n, (speaker, text, _) in enumerate(said)]
    shown = found(turns, [each for *_, each in said], language)
    json.dumps(shown.to_json(), allow_nan=False)
    assert set(shown.sentiment) == {speaker for speaker, *_ in said}
    for side in shown.sentiment.values():
        assert -1 <= side.valence <= 1
        assert -2 <= side.trend <= 2
        assert all(-1 <= point.valence <= 1 for point in side.timeline)
    assert sum(len(side.timeline) for side in shown.sentiment.values()) == len(said)
    assert all(0 < topic.share <= 1 for topic in shown.topics)
    assert 0 <= shown.score.points <= 100
