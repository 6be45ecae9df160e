from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calls import turns
from core.calls.turns import Piece, Turn, Window
from core.ports import SAMPLE_RATE_HZ, Span, Utterance, Word


def said(text: str, start_s: float, pace_s: float = 0.3, confidence: float = 0.9) -> Utterance:
    """One word each `pace_s`, without pauses, in window time."""
    words = tuple(
        Word(word, round(start_s + i * pace_s, 3), round(start_s + (i + 1) * pace_s, 3), confidence)
        for i, word in enumerate(text.split())
    )
    return Utterance(text, words[0].start_s, words[-1].end_s, words, confidence)


def piece(channel: int, start_s: float, end_s: float, *utterances: Utterance) -> Piece:
    return Piece(Window(channel, (Span(start_s, end_s),)), utterances)


def loud(level: Sequence[int], seconds: float = 30.0) -> np.ndarray:
    """int16 (channels, samples) of noise at these levels."""
    rng = np.random.default_rng(0)
    return np.stack([rng.normal(0, each, int(seconds * SAMPLE_RATE_HZ)).astype(np.int16) for each in level])


class ByTime:
    """A `Diarizer` that knows who speaks when: the second voice from `from_s` to `to_s`."""

    def __init__(self, from_s: float, to_s: float) -> None:
        self._other = Span(from_s, to_s)

    def label(self, pcm: np.ndarray, spans: Sequence[Span]) -> list[int]:
        return [int(self._other.start_s <= span.start_s < self._other.end_s) for span in spans]


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    at_s, spans = 0.0, []
    for pause_s, length_s in draw(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0.1, 70)), max_size=25)):
        spans.append(Span(at_s + pause_s, at_s + pause_s + length_s))
        at_s = spans[-1].end_s
    return spans


@given(speech())
def test_windows_hold_all_speech_once_in_order_and_fit(spans: list[Span]) -> None:
    windows = turns.plan(1, spans)
    parts = [part for window in windows for part in window.spans]
    assert all(window.channel == 1 for window in windows)
    assert sum(p.end_s - p.start_s for p in parts) == pytest.approx(sum(s.end_s - s.start_s for s in spans))
    assert all(any(s.start_s - 1e-9 <= p.start_s and p.end_s <= s.end_s + 1e-9 for s in spans) for p in parts)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(parts))
    # A span that fits a window is never cut.
    assert all(span in parts for span in spans if span.end_s - span.start_s <= turns.MOST_WINDOW_S)


@given(speech())
def test_a_window_is_as_long_as_said_and_every_moment_leads_back(spans: list[Span]) -> None:
    for window in turns.plan(0, spans)[:3]:
        end_s = window.spans[-1].end_s
        cut = window.cut(np.zeros((1, int((end_s + 1) * SAMPLE_RATE_HZ)), np.int8))
        assert cut.size / SAMPLE_RATE_HZ <= turns.MOST_WINDOW_S + 0.01
        moments = [window.locate(at_s) for at_s in np.linspace(0, cut.size / SAMPLE_RATE_HZ, 40)]
        assert [at_s for _, at_s in moments] == sorted(at_s for _, at_s in moments)
        assert all(window.spans[n].start_s - 1e-6 <= at_s <= window.spans[n].end_s + 1e-6 for n, at_s in moments)


def test_long_pauses_are_shortened_and_short_ones_kept() -> None:
    window = Window(0, (Span(1, 2), Span(2.2, 3), Span(13, 14)))
    pcm = np.arange(20 * SAMPLE_RATE_HZ, dtype=np.int64)[np.newaxis].astype(np.int32)
    cut = window.cut(pcm)
    assert cut.size / SAMPLE_RATE_HZ == pytest.approx(2.0 + turns.GAP_S + 1.0)
    for at_s in (0.5, 1.3, 2.9):
        span, moment_s = window.locate(at_s)
        assert cut[round(at_s * SAMPLE_RATE_HZ)] == pytest.approx(moment_s * SAMPLE_RATE_HZ, abs=1)
        assert window.spans[span].start_s <= moment_s <= window.spans[span].end_s


# ── two channels ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_channels_are_sides_in_order_of_time() -> None:
    pieces = [
        piece(0, 0, 4, said("good morning Ana", 0.0)),
        piece(1, 2, 4, said("hello", 0.1)),
        piece(0, 10, 12, said("how are you?", 0.0)),
    ]
    pcm = loud([1000, 1000])
    result = turns.stereo(pieces, pcm, seller_channel=0)
    assert [(t.speaker, t.text) for t in result] == [
        ("seller", "good morning Ana"), ("customer", "hello"), ("seller", "how are you?"),
    ]  # fmt: skip
    assert [t.start_s for t in result] == [0.0, 2.1, 10.0]
    swapped = turns.stereo(pieces, pcm, seller_channel=1)
    assert [t.speaker for t in swapped] == ["customer", "seller", "customer"]


def test_sentences_of_one_side_are_one_turn_until_a_pause() -> None:
    pieces = [
        piece(0, 0, 3, said("one two.", 0.0)), piece(0, 3, 6, said("three four.", 0.2, confidence=0.5)),
        piece(0, 9, 12, said("five", 0.0)),
    ]  # fmt: skip
    result = turns.stereo(pieces, loud([1000, 1000]), seller_channel=0)
    assert [t.text for t in result] == ["one two.", "three four.", "five"]
    close = turns.stereo([piece(0, 0, 6, said("one two.", 0.0), said("three four.", 0.9, confidence=0.5))],
                         loud([1000, 1000]), seller_channel=0)  # fmt: skip
    assert [(t.text, len(t.words), t.confidence) for t in close] == [("one two. three four.", 4, pytest.approx(0.7))]


@pytest.mark.parametrize(("levels", "kept"), [([2000, 300], "seller"), ([300, 2000], "customer")])
def test_the_quieter_of_the_same_words_at_the_same_time_is_echo(levels: list[int], kept: str) -> None:
    words = "we can start with twenty seats"
    pieces = [piece(0, 1, 4, said(words, 0.0)), piece(1, 1, 4, said("we can start with twenty eats", 0.1))]
    result = turns.stereo(pieces, loud(levels), seller_channel=0)
    assert [t.speaker for t in result] == [kept]


def test_two_people_who_speak_at_once_both_stay() -> None:
    pcm = loud([2000, 300])
    other_words = [piece(0, 1, 4, said("we can start now", 0)), piece(1, 1, 4, said("that is too much money", 0))]
    assert len(turns.stereo(other_words, pcm, seller_channel=0)) == 2
    other_time = [piece(0, 1, 4, said("that is fine", 0)), piece(1, 8, 12, said("that is fine", 0))]
    assert len(turns.stereo(other_time, pcm, seller_channel=0)) == 2
    as_loud = [piece(0, 1, 4, said("okay", 0)), piece(1, 1, 4, said("okay", 0))]
    assert len(turns.stereo(as_loud, loud([1000, 1000]), seller_channel=0)) == 2


# ── one channel ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_voices_get_roles_where_their_words_tell() -> None:
    heard = piece(
        0, 0, 28,
        said("Thank you for calling Greenfield, how can I help?", 0), said("I'd like to buy twenty seats.", 6),
        said("Certainly.", 12),
    )  # fmt: skip
    result = turns.mono([heard], loud([1000])[0], ByTime(5, 10))
    assert [t.speaker for t in result] == ["seller", "customer", "seller"]


def test_voices_without_a_role_keep_their_number() -> None:
    heard = piece(0, 0, 28, said("It rained again.", 0), said("It did.", 6))
    result = turns.mono([heard], loud([1000])[0], ByTime(5, 10))
    assert [t.speaker for t in result] == ["speaker_1", "speaker_2"]
    assert turns.mono([], loud([1000])[0], ByTime(5, 10)) == []


def test_a_long_utterance_is_cut_where_a_pause_lies_in_it() -> None:
    window = Window(0, (Span(0, 2), Span(5, 7)))
    words = (Word("well", 0.1, 0.5, 0.9), Word("now", 2.6, 3.0, 0.9))
    heard = Piece(window, (Utterance("well now", 0.1, 3.0, words, 0.9),))
    result = turns.mono([heard], loud([1000])[0], ByTime(4, 9))
    assert [(t.text, t.speaker) for t in result] == [("well", "speaker_1"), ("now", "speaker_2")]
    assert result[1].start_s == pytest.approx(5.2)


@pytest.mark.parametrize(
    ("seller", "customer"),
    [
        ("Hi, this is Emma from Greenfield.", "We already use a tool and it is too expensive."),
        ("Would you like the blue one? Anything else you need?", "I'd like to buy a phone."),
        ("Bom dia, aqui é o Pedro Lima da Horizonte.", "Quanto custa por mês?"),
        ("Posso te enviar a proposta, a nossa plataforma faz isso.", "Está muito caro, preciso falar com meu chefe."),
    ],
)
def test_the_seller_is_told_by_words_whoever_speaks_first(seller: str, customer: str) -> None:
    one, two = Turn("speaker_1", 0, 1, seller, (), 0.9), Turn("speaker_2", 1, 2, customer, (), 0.9)
    assert turns.guess_seller([one, two]) == "speaker_1"
    assert turns.guess_seller([two, one]) == "speaker_1"


@pytest.mark.parametrize(
    "texts",
    [[], ["How can I help you?"], ["Yes.", "No."], ["Is it? Is it? Is it?", "No."], ["a", "b", "How can I help you?"],
     ["How can I help you?", "No, how can I help you?"]],
)  # fmt: skip
def test_thin_evidence_names_nobody(texts: list[str]) -> None:
    given_turns = [Turn(f"speaker_{i + 1}", i, i + 1, text, (), 0.9) for i, text in enumerate(texts)]
    assert turns.guess_seller(given_turns) is None


def test_a_turn_survives_json() -> None:
    turn = Turn("seller", 0.5, 1.5, "olá", (Word("olá", 0.5, 1.5, 0.9),), 0.9)
    assert Turn.from_json(json.loads(json.dumps(dataclasses.asdict(turn)))) == turn
