"""When words were said, on attention that is made up: a cost for each way, and looks along a line."""

from __future__ import annotations

import functools
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines import word_times

COSTS = st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: st.lists(st.lists(st.integers(0, 9), min_size=shape[1], max_size=shape[1]),
                           min_size=shape[0], max_size=shape[0])
)  # fmt: skip


def least(cost: list[list[int]]) -> int:
    """Of all ways, tried one by one."""

    @functools.cache
    def to(row: int, column: int) -> int:
        before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        ways = [to(*place) for place in before if min(place) >= 0]
        return cost[row][column] + min(ways, default=0)

    return to(len(cost) - 1, len(cost[0]) - 1)


@given(COSTS)
def test_the_way_is_whole_and_none_is_cheaper(cost: list[list[int]]) -> None:
    rows, columns = word_times.way(np.array(cost, np.float32))
    assert (rows[0], columns[0]) == (0, 0)
    assert (rows[-1], columns[-1]) == (len(cost) - 1, len(cost[0]) - 1)
    steps = set(zip(np.diff(rows).tolist(), np.diff(columns).tolist(), strict=True))
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert sum(cost[row][column] for row, column in zip(rows, columns, strict=True)) == least(cost)


class Letters:
    """A tokenizer whose tokens 1 and 2 are one word, 3 another, and 9 the end."""

    eot = 9

    def split_to_word_tokens(self, tokens: list[int]) -> tuple[list[str], list[list[int]]]:
        assert tokens == [1, 2, 3, 9]
        return [" well", " yes", ""], [[1, 2], [3], [9]]


def test_a_word_begins_where_its_first_token_is_looked_for() -> None:
    # Rows: two that begin a transcript, then one that is about to say each of the tokens, and one the end.
    edges = [0, 0, 5, 15, 30, 45, 50]
    scores = np.full((3, 6, 50), -8.0, np.float32)
    for row, (begin, end) in enumerate(pairwise(edges)):
        scores[:, row, begin:end] = 4.0
    said = [(1, 0.5), (2, 0.7), (3, 0.9)]
    found = word_times.words(cast("Any", Letters()), said, scores)
    assert [one.word for one in found] == [" well", " yes"]
    assert [one.probability for one in found] == pytest.approx([0.6, 0.9])
    first, second = found
    assert first.end == second.start
    assert second.start == pytest.approx(30 / 50, abs=0.1)
    assert second.end == pytest.approx(45 / 50, abs=0.1)


@pytest.mark.parametrize(("said", "states"), [([], 10), ([(1, 0.5)], 0)])
def test_where_nothing_was_said_or_heard_there_are_no_words(said: list[tuple[int, float]], states: int) -> None:
    assert word_times.words(cast("Any", SimpleNamespace()), said, np.zeros((2, 3, states), np.float32)) == []
