"""Who talked, how much and how: against conversations that were counted by hand."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.metrics import Metrics, Monologue, count_questions, measure
from core.calls.turns import Turn


def turn(speaker: str, start_s: float, end_s: float, text: str = "one two three") -> Turn:
    return Turn(speaker, start_s, end_s, text, (), 0.9)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    """Turns in order of their start, which may overlap, of up to three speakers."""
    at_ms, turns = 0, []
    for speaker in draw(st.lists(st.sampled_from(["seller", "customer", "speaker_3"]), max_size=12)):
        at_ms += draw(st.integers(0, 20_000))
        length_ms = draw(st.integers(100, 60_000))
        text = " ".join(draw(st.lists(st.sampled_from(["how", "sim", "price?", "ok.", "and", "!"]), max_size=8)))
        turns.append(turn(speaker, at_ms / 1000, (at_ms + length_ms) / 1000, text))
    return turns


def test_a_small_conversation_measured_by_hand() -> None:
    found = measure(
        [
            turn("seller", 0.0, 6.0, "Good morning. How are you today?"),
            turn("customer", 7.0, 9.0, "Fine, thanks."),
            turn("seller", 9.5, 15.5, "So, what do you use today"),
            turn("customer", 18.5, 24.5, "Spreadsheets. They are slow, and nobody likes them."),
        ],
        "en",
    )
    assert found == Metrics(
        talk_s={"customer": 8.0, "seller": 12.0},
        talk_ratio={"customer": 0.4, "seller": 0.6},
        words_per_minute={"customer": 75.0, "seller": 60.0},
        questions={"customer": 0, "seller": 2},
        interruptions={"customer": 0, "seller": 0},
        longest_monologue=Monologue("seller", 0.0, 15.5),  # "Fine, thanks." takes no turn
        silence_share=0.1837,
        longest_silence_s=3.0,
        patience_s=0.5,
        turns=4,
    )


def test_a_call_without_a_word_measures_nothing() -> None:
    assert measure([], "pt") == Metrics({}, {}, {}, {}, {}, None, 0.0, 0.0, None, 0)


def test_turns_without_length_share_nothing_and_divide_by_nothing() -> None:
    found = measure([turn("seller", 3.0, 3.0)], "en")
    assert (found.talk_ratio, found.words_per_minute, found.silence_share) == ({"seller": 0.0}, {"seller": 0.0}, 0.0)


# ── monologue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_monologue_goes_on_through_a_word_or_two_of_the_other() -> None:
    turns = [
        turn("seller", 0.0, 40.0), turn("customer", 40.5, 41.0, "Yes, sure."), turn("seller", 41.5, 100.0),
        turn("customer", 101.0, 150.0),
    ]  # fmt: skip
    assert measure(turns, "en").longest_monologue == Monologue("seller", 0.0, 100.0)


def test_a_monologue_ends_at_three_words_of_the_other() -> None:
    turns = [
        turn("seller", 0.0, 40.0), turn("customer", 40.5, 41.0, "Yes, but wait."), turn("seller", 41.5, 100.0),
        turn("customer", 101.0, 150.0),
    ]  # fmt: skip
    assert measure(turns, "en").longest_monologue == Monologue("seller", 41.5, 58.5)


# ── interruptions ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("start_s", "count"), [(9.4, 1), (9.5, 1), (9.6, 0), (10.0, 0), (12.0, 0)])
def test_who_begins_while_the_other_has_half_a_second_to_go_interrupts(start_s: float, count: int) -> None:
    found = measure([turn("seller", 0.0, 10.0), turn("customer", start_s, 20.0)], "en")
    assert found.interruptions == {"customer": count, "seller": 0}


def test_an_interruption_counts_once_and_only_for_who_came_later() -> None:
    turns = [
        turn("customer", 0.0, 10.0), turn("speaker_3", 1.0, 10.0), turn("seller", 5.0, 8.0), turn("seller", 9.0, 12.0)
    ]  # fmt: skip
    assert measure(turns, "en").interruptions == {"customer": 0, "speaker_3": 1, "seller": 2}


# ── silence and patience ─────────────────────────────────────────────────────────────────────────────────────────────


def test_silence_is_where_nobody_speaks_between_first_and_last_word() -> None:
    turns = [
        turn("seller", 10.0, 20.0), turn("customer", 12.0, 14.0), turn("customer", 25.0, 30.0),
        turn("seller", 26.0, 28.0), turn("seller", 31.0, 50.0),
    ]  # fmt: skip
    found = measure(turns, "en")
    assert (found.longest_silence_s, found.silence_share) == (5.0, 0.15)


def test_patience_is_the_median_wait_of_the_seller_after_the_customer() -> None:
    waits = [0.2, 3.0, 0.6]
    turns, at_s = [], 0.0
    for wait_s in waits:
        turns += [turn("customer", at_s, at_s + 5.0), turn("seller", at_s + 5.0 + wait_s, at_s + 10.0 + wait_s)]
        at_s += 30.0
    assert measure(turns, "en").patience_s == 0.6


def test_a_seller_who_talks_over_the_customer_has_no_patience_and_a_silent_one_none_to_measure() -> None:
    assert measure([turn("customer", 0.0, 10.0), turn("seller", 4.0, 12.0)], "en").patience_s == 0.0
    assert measure([turn("seller", 0.0, 10.0), turn("customer", 14.0, 20.0)], "en").patience_s is None


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────────


QUESTIONS = [
    ("en", "How much is it? And when can we start?", 2),
    ("en", "how many sellers do you have", 1),
    ("en", "Well, so what do you use today", 1),
    ("en", "What a nice day.", 0),
    ("en", "I know what you mean", 0),
    ("en", "Whatever you say", 0),
    ("en", "You like it? Good. It is new.", 1),
    ("pt", "Quanto custa? E quando começa?", 2),
    ("pt", "então quantos vendedores trabalham aí", 1),
    ("pt", "Ah, e quem decide", 1),
    ("pt", "Por que vocês trocaram", 1),
    ("pt", "Como eu disse, é simples.", 0),
    ("pt", "Eu sei quanto custa", 0),
    ("pt", "Você gostou? Que bom!", 1),
    ("en", "", 0),
    ("pt", "?", 1),
]


@pytest.mark.parametrize(("language", "text", "count"), QUESTIONS)
def test_questions_are_counted_by_mark_or_by_how_they_begin(language: str, text: str, count: int) -> None:
    assert count_questions(text, language) == count


# ── always ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(conversations(), st.sampled_from(["pt", "en"]))
def test_shares_sum_to_one_and_nothing_is_negative(turns: list[Turn], language: str) -> None:
    found = measure(turns, language)
    assert sum(found.talk_ratio.values()) == pytest.approx(1.0 if turns else 0.0, abs=2e-4)
    assert set(found.talk_s) == set(found.talk_ratio) == set(found.questions) == {turn.speaker for turn in turns}
    for table in (found.talk_s, found.talk_ratio, found.words_per_minute, found.questions, found.interruptions):
        assert all(value >= 0 for value in table.values())
    assert 0 <= found.silence_share <= 1
    assert found.longest_silence_s >= 0
    assert found.patience_s is None or found.patience_s >= 0
    assert found.turns == len(turns)


@given(conversations().filter(bool))
def test_a_monologue_is_as_long_as_the_longest_turn_or_longer_and_fits_the_call(turns: list[Turn]) -> None:
    found = measure(turns, "en").longest_monologue
    assert found is not None
    end_s = max(turn.end_s for turn in turns)
    assert turns[0].start_s <= found.start_s
    assert found.start_s + found.duration_s <= end_s + 0.01
    long = [t.end_s - t.start_s for t in turns if len(t.text.split()) > 2]
    assert found.duration_s >= max(long, default=0.0) - 0.01


@given(conversations(), st.integers(1, 3600))
def test_when_the_call_begins_changes_nothing_but_the_clock(turns: list[Turn], later_s: int) -> None:
    before = measure(turns, "en")
    after = measure(
        [dataclasses.replace(t, start_s=t.start_s + later_s, end_s=t.end_s + later_s) for t in turns], "en"
    )  # fmt: skip
    assert after.talk_s == pytest.approx(before.talk_s, abs=0.011)
    assert (after.questions, after.turns) == (before.questions, before.turns)
    assert after.silence_share == pytest.approx(before.silence_share, abs=2e-4)
