"""Joins as of a moment, against the answer that looks at every row for every question."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.datascience.features.asof import Log, Questions, as_of

ROW = st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(0, 12))


def whole(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def brute(rows: list[tuple[int, int, int]], entity: int, at: int, by: int | None, most_age: int | None) -> int:
    fits = [
        (event, known, place)
        for place, (of, event, known) in enumerate(rows)
        if of == entity and event <= at and (by is None or known <= by)
    ]
    if not fits:
        return -1
    event, _, place = max(fits)
    return -1 if most_age is not None and at - event > most_age else place


def joined(
    rows: list[tuple[int, int, int]],
    asked: list[tuple[int, int, int]],
    *,
    known: bool,
    age: int | None,
) -> list[int]:
    log = Log(*(whole([row[n] for row in rows]) for n in range(3)))
    by = whole([one[2] for one in asked]) if known else None
    questions = Questions(whole([one[0] for one in asked]), whole([one[1] for one in asked]), by)
    return [int(place) for place in as_of(log, questions, most_age_us=age)]


@settings(max_examples=400, deadline=None)
@given(st.lists(ROW, max_size=40), st.lists(ROW, max_size=20), st.booleans(), st.none() | st.integers(0, 6))
def test_the_answer_is_that_of_looking_at_every_row(
    rows: list[tuple[int, int, int]], asked: list[tuple[int, int, int]], known: bool, age: int | None
) -> None:
    told = [brute(rows, entity, at, by if known else None, age) for entity, at, by in asked]
    assert joined(rows, asked, known=known, age=age) == told


@settings(max_examples=100, deadline=None)
@given(
    st.lists(ROW, max_size=40), st.lists(ROW, max_size=20), st.sampled_from([1, 10**12]), st.sampled_from([1, 2**57])
)
def test_far_apart_entities_and_times_are_joined_alike(
    rows: list[tuple[int, int, int]], asked: list[tuple[int, int, int]], apart: int, long: int
) -> None:
    def far(given_: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        return [(entity * apart, event * long, by * long) for entity, event, by in given_]

    assert joined(far(rows), far(asked), known=True, age=None) == joined(rows, asked, known=True, age=None)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=30), st.lists(ROW, min_size=1, max_size=30), ROW)
def test_nothing_that_came_later_changes_an_answer(
    rows: list[tuple[int, int, int]], more: list[tuple[int, int, int]], asked: tuple[int, int, int]
) -> None:
    """Whatever is added that happened after the moment, or was only known after it, leaves the answer as it was."""
    _, at, by = asked
    later = [row for row in more if row[1] > at or row[2] > by]
    assert joined(rows + later, [asked], known=True, age=None) == joined(rows, [asked], known=True, age=None)


def test_many_rows_that_were_known_late_are_passed_over() -> None:
    """The one that was known in time lies thousands of rows back."""
    count = 5_000
    rows = [(7, n, 10 * count if n else 0) for n in range(count)]
    assert joined(rows, [(7, count, count), (7, count, 10 * count), (8, count, count)], known=True, age=None) == [
        0, count - 1, -1,
    ]  # fmt: skip


def test_a_correction_counts_from_when_it_was_known() -> None:
    rows = [(1, 100, 100), (1, 100, 500), (1, 200, 600)]
    asked = [(1, 300, 99), (1, 300, 100), (1, 300, 500), (1, 300, 600), (1, 150, 600), (1, 99, 600)]
    assert joined(rows, asked, known=True, age=None) == [-1, 0, 1, 2, 1, -1]
