"""How a side talked, counted by hand; what it said, as words."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from core.analysis.metrics import measure
from core.calls.turns import Turn
from core.datascience.features import behaviour, text
from core.datascience.features.definitions import CALL_BEHAVIOUR, CALL_TEXT
from core.datascience.features.kinds import checked
from core.ports import Word
from tests.fakes.engines import FakeEmbedder


def said(speaker: str, start_s: float, *words: tuple[str, float]) -> Turn:
    """Each word with the silence before it; a word takes half a second."""
    spoken, at_s = [], start_s
    for word, gap_s in words:
        spoken.append(Word(word, at_s + gap_s, at_s + gap_s + 0.5, 0.9))
        at_s += gap_s + 0.5
    return Turn(speaker, spoken[0].start_s, spoken[-1].end_s, " ".join(w for w, _ in words), tuple(spoken), 0.9)


TALK = [
    said("seller", 0.0, ("Hello,", 0), ("how", 0.1), ("are", 0.1), ("you?", 0.6)),
    said("customer", 3.5, ("Fine", 0), ("thanks", 1.0)),
    said("seller", 6.5, ("Good.", 0), ("Shall", 0.4), ("we?", 0)),
    said("customer", 10.0, ("The", 0), ("price", 0), ("is", 0), ("high", 0)),
]


def test_each_side_is_counted() -> None:
    found = behaviour.build(TALK, asdict(measure(TALK, "en")), "en")
    assert list(checked(CALL_BEHAVIOUR, found)) == list(CALL_BEHAVIOUR.names)
    assert (found["seller_turns"], found["customer_turns"], found["seller_questions"]) == (2, 2, 2)
    assert (found["seller_pauses"], found["seller_mean_pause_s"]) == (2, pytest.approx(0.5))
    assert (found["customer_pauses"], found["customer_mean_pause_s"]) == (1, pytest.approx(1.0))
    assert found["seller_mean_turn_s"] == pytest.approx((2.8 + 1.9) / 2)
    # "Fine thanks" is no more than an aside, so the seller's two turns are one stretch.
    assert found["seller_monologue_s"] == pytest.approx(8.4)
    assert found["customer_monologue_s"] == pytest.approx(8.5) or found["customer_monologue_s"] == pytest.approx(2.0)
    assert found["seller_talk_share"] + found["customer_talk_share"] == pytest.approx(1)
    assert found["patience_s"] == pytest.approx(1.0)


def test_a_side_that_is_not_known_has_no_values() -> None:
    turns = [said("speaker_1", 0.0, ("Hello", 0), ("there", 0))]
    found = checked(CALL_BEHAVIOUR, behaviour.build(turns, asdict(measure(turns, "en")), "en"))
    assert {name for name, value in found.items() if value is not None} == {
        "silence_share", "longest_silence_s", "speech_s", "language",
    }  # fmt: skip


async def test_words_are_counted_and_the_vector_points_where_the_turns_do() -> None:
    found = await text.build(TALK, FakeEmbedder())
    assert found["customer_terms"] == {"fine": 1, "high": 1, "is": 1, "price": 1, "thanks": 1, "the": 1}
    assert sum(one**2 for one in found["customer_vector"]) == pytest.approx(1, abs=1e-4)
    assert checked(CALL_TEXT, found)["seller_terms"] == found["seller_terms"]


def test_terms_are_letters_only_in_either_language() -> None:
    assert text.terms(["São 3 reuniões, São!", "R$ 10_000 a e-mail"]) == {"mail": 1, "reuniões": 1, "são": 2}
    many = text.terms(
        [" ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(3000))]
    )
    assert len(many) == 2000
