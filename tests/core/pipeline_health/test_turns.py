from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pipeline_health.turns import BOUNDS, Turn, levels, turns
from core.pipeline_health.words import turned


def figures(**some: Any) -> dict[str, Any]:
    return {
        "open_deals": 20, "stalled_share": 0.1, "overdue_share": 0.1, "velocity_cents": 100.0, "coverage": 3.0, **some
    }  # fmt: skip


def test_bad_news_is_told_once_and_so_is_that_it_is_over() -> None:
    told: dict[str, str] = {}
    heard = []
    for share in (0.2, 0.36, 0.30, 0.34, 0.5, 0.26, 0.2, 0.3):
        new = levels(figures(stalled_share=share), None, told)
        heard.append([turn.level for turn in turns(figures(stalled_share=share), told, new)])
        told = new
    assert heard == [[], ["bad"], [], [], [], [], ["good"], []]


def test_velocity_is_held_against_four_weeks_ago() -> None:
    assert "velocity_cents" not in levels(figures(), None, {})
    assert levels(figures(velocity_cents=60.0), figures(), {})["velocity_cents"] == "bad"


def test_of_a_few_deals_nothing_is_said() -> None:
    assert levels(figures(open_deals=4, stalled_share=1.0), None, {}) == {}


@given(st.lists(st.floats(0, 1), max_size=30))
def test_who_is_told_hears_bad_and_good_in_turns(shares: list[float]) -> None:
    told: dict[str, str] = {}
    heard = []
    for share in shares:
        new = levels(figures(overdue_share=share), None, told)
        heard += [turn.level for turn in turns(figures(overdue_share=share), told, new)]
        told = new
    assert heard == (["bad", "good"] * len(heard))[: len(heard)]


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("figure", sorted(BOUNDS))
@pytest.mark.parametrize("level", ["good", "bad"])
def test_every_turn_has_its_words(language: str, figure: str, level: str) -> None:
    said = turned("North", Turn(figure, level, 0.42), language)
    assert said.startswith("North: ")
    assert "{" not in said
