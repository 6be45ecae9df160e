"""Which words are agreed, when a turn is over, and where a long one is divided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.live.turns import agreed, division, is_whole
from core.ports import Word


def words(text: str, *, each_s: float = 0.5, confidence: float = 0.9) -> list[Word]:
    return [Word(word, n * each_s, (n + 1) * each_s - 0.1, confidence) for n, word in enumerate(text.split())]


def test_what_both_begin_with_is_agreed_but_not_at_the_edge_nor_in_doubt() -> None:
    before, now = words("we like the prize"), words("we like the price of it")
    assert agreed(before, now, until_s=9.0, sure=0.5) == 3
    assert agreed(before, now, until_s=1.0, sure=0.5) == 2
    assert agreed(before, [now[0], *words("- like the")[1:]], until_s=9.0, sure=0.95) == 0
    assert agreed([], now, until_s=9.0, sure=0.5) == 0


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("The price is too high for us.", True),
        ("How soon could we start?", True),
        ("Quanto custa?", True),
        ("We would like to", False),
        ("I am not sure that.", False),
        ("O preço é alto, mas.", False),
        ("", False),
    ],
)
def test_a_turn_is_whole_where_it_ends_in_a_sentence_and_not_in_a_word_that_leads_on(text: str, whole: bool) -> None:
    assert is_whole(words(text), sure=0.6) == whole


def test_what_was_hardly_understood_is_not_whole() -> None:
    assert not is_whole(words("Reply to you.", confidence=0.5), sure=0.6)
    *clear, doubtful = words("The price is high.")
    assert is_whole([*clear, replace(doubtful, confidence=0.3)], sure=0.6)


def test_a_long_turn_is_divided_at_its_last_sentence_or_late_at_the_widest_gap() -> None:
    said = words("First one. Second one. And then it")
    assert division(said, least=0, anywhere=False) == 4
    assert division(said, least=5, anywhere=False) == 0
    assert division(words("no end in sight"), least=0, anywhere=False) == 0
    gap = [*words("no end"), *(Word(w.text, w.start_s + 3, w.end_s + 3, 0.9) for w in words("in sight"))]
    assert division(gap, least=0, anywhere=True) == 2
