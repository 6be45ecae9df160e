"""The score of a call: each point has its reason, and the reasons add up to it."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.metrics import Metrics, Monologue
from core.analysis.next_steps import NextStep
from core.analysis.objections import Objection
from core.analysis.score import START, Score, ScoreReason, score

DATED = NextStep("seller", "I'll send it on Friday.", 3, date(2026, 11, 27))
UNDATED = NextStep("seller", "I'll send it.", 3, None)


def metrics(
    *, share: float = 0.6, questions: int = 1, interruptions: int = 0, monologue: Monologue | None = None
) -> Metrics:
    return Metrics(
        talk_s={"seller": 60.0, "customer": 40.0}, talk_ratio={"seller": share, "customer": 1 - share},
        words_per_minute={}, questions={"seller": questions, "customer": 9},
        interruptions={"seller": interruptions, "customer": 9}, longest_monologue=monologue, silence_share=0.0,
        longest_silence_s=0.0, patience_s=None, turns=2,
    )  # fmt: skip


def objections(met: int, unmet: int) -> list[Objection]:
    return [
        Objection("price", n, 0.0, "caro", 0.9, n < met, 1, "answered_on_topic" if n < met else "changed_subject")
        for n in range(met + unmet)
    ]


def points(key: str, found: Score) -> int:
    return next((reason.points for reason in found.reasons if reason.key == key), 0)


def test_a_good_call_is_explained_point_by_point() -> None:
    found = score(metrics(share=0.45, questions=6), objections(2, 0), [DATED], 0.3)
    assert found == Score(
        100,
        (
            ScoreReason("next_step", 15, 1),
            ScoreReason("objections_met", 12, 2),
            ScoreReason("talk_share", 10, 0.45),
            ScoreReason("questions", 10, 6),
            ScoreReason("customer_trend", 6, 0.3),
        ),
    )


def test_a_bad_call_is_explained_point_by_point() -> None:
    bad = metrics(share=0.85, questions=0, interruptions=3, monologue=Monologue("seller", 0.0, 120.0))
    found = score(bad, objections(0, 1), [], -0.2)
    assert found == Score(
        1,
        (
            ScoreReason("talk_share", -10, 0.85),
            ScoreReason("next_step", -10, 0),
            ScoreReason("objections_unmet", -8, 1),
            ScoreReason("interruptions", -6, 3),
            ScoreReason("monologue", -6, 120.0),
            ScoreReason("questions", -5, 0),
            ScoreReason("customer_trend", -4, -0.2),
        ),
    )


def test_an_even_worse_call_has_no_less_than_nothing() -> None:
    worst = metrics(share=0.99, questions=0, interruptions=50, monologue=Monologue("seller", 0.0, 900.0))
    found = score(worst, objections(0, 9), [], -1.0)
    assert START + sum(reason.points for reason in found.reasons) == -15
    assert found.points == 0


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 0), (0.29, 0), (0.3, 10), (0.55, 10), (0.56, 0), (0.7, 0), (0.71, -10), (1.0, -10)],
)
def test_the_seller_talks_a_little_under_half(share: float, expected: int) -> None:
    assert points("talk_share", score(metrics(share=share), [], [], 0.0)) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, -5), (1, 4), (3, 4), (4, 10), (14, 10)])
def test_the_seller_asks(count: int, expected: int) -> None:
    assert points("questions", score(metrics(questions=count), [], [], 0.0)) == expected


@pytest.mark.parametrize(
    ("steps", "expected"), [([], -10), ([UNDATED], 8), ([DATED], 15), ([UNDATED, DATED, UNDATED], 15)]
)
def test_a_call_ends_with_a_next_step_best_with_a_day(steps: list[NextStep], expected: int) -> None:
    assert points("next_step", score(metrics(), [], steps, 0.0)) == expected


@pytest.mark.parametrize(
    ("met", "unmet", "expected"), [(0, 0, (0, 0)), (1, 0, (6, 0)), (5, 0, (12, 0)), (1, 1, (6, -8)), (0, 5, (0, -16))]
)
def test_objections_count_by_whether_they_were_met(met: int, unmet: int, expected: tuple[int, int]) -> None:
    found = score(metrics(), objections(met, unmet), [], 0.0)
    assert (points("objections_met", found), points("objections_unmet", found)) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, -2), (4, -8), (9, -8)])
def test_interruptions_of_the_seller_cost(count: int, expected: int) -> None:
    assert points("interruptions", score(metrics(interruptions=count), [], [], 0.0)) == expected


@pytest.mark.parametrize(
    ("monologue", "expected"),
    [
        (None, 0), (Monologue("seller", 0.0, 90.0), 0), (Monologue("seller", 0.0, 90.1), -6),
        (Monologue("customer", 0.0, 600.0), 0),
    ],
)  # fmt: skip
def test_a_long_monologue_of_the_seller_costs(monologue: Monologue | None, expected: int) -> None:
    assert points("monologue", score(metrics(monologue=monologue), [], [], 0.0)) == expected


@pytest.mark.parametrize(("trend", "expected"), [(-2.0, -10), (-0.1, -2), (0.02, 0), (0.1, 2), (2.0, 10)])
def test_the_customers_mood_counts_as_it_moves(trend: float, expected: int) -> None:
    assert points("customer_trend", score(metrics(), [], [], trend)) == expected


def test_a_call_without_turns_is_scored_by_what_is_missing() -> None:
    empty = dataclasses.replace(metrics(), talk_ratio={}, questions={}, interruptions={}, turns=0)
    assert score(empty, [], [], 0.0).points == 35


@given(
    st.builds(
        metrics, share=st.floats(0, 1), questions=st.integers(0, 30), interruptions=st.integers(0, 30),
        monologue=st.none() | st.builds(Monologue, st.sampled_from(["seller", "customer"]), st.just(0.0),
                                        st.floats(0, 900)),
    ),
    st.builds(objections, st.integers(0, 5), st.integers(0, 5)),
    st.lists(st.sampled_from([DATED, UNDATED]), max_size=3),
    st.floats(-2, 2),
)  # fmt: skip
def test_reasons_add_up_to_the_score_which_is_between_0_and_100(
    measured: Metrics, objected: list[Objection], steps: list[NextStep], trend: float
) -> None:
    found = score(measured, objected, steps, trend)
    assert found.points == max(0, min(100, START + sum(reason.points for reason in found.reasons)))
    assert 0 <= found.points <= 100
    sizes = [abs(reason.points) for reason in found.reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 not in sizes
    assert len({reason.key for reason in found.reasons}) == len(found.reasons)
