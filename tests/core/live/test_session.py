"""A session says the same however its sound is cut and however often it changes hands."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.live import wire
from core.live.session import LONG_S, LiveSession
from core.ports import Side
from tests.core.live.made import BOTH, gist, talk
from tests.fakes.live import FakeEar

patterns = st.text("#.", min_size=1, max_size=60)


def sound(seller: str, customer: str) -> NDArray[np.float32]:
    length = max(len(seller), len(customer))
    return np.stack([talk(side.ljust(length, ".")) for side in (seller, customer)])


async def heard(whole: NDArray[np.float32], cuts: list[int], *, moves: set[int]) -> list[wire.Event]:
    """Cut anywhere; before the pieces in `moves` another goes on from the state, as JSON."""
    session = LiveSession(BOTH, FakeEar)
    events: list[wire.Event] = []
    ends = [0, *itertools.accumulate(cuts), whole.shape[1]]
    for number, (begin, end) in enumerate(itertools.pairwise(ends)):
        if number in moves:
            session = LiveSession.resumed(BOTH, FakeEar, json.loads(json.dumps(session.state())))
            events += await session.hear(whole[:, session.needed : begin])
        events += await session.hear(whole[:, begin:end])
    return events + await session.finish()


@given(patterns, patterns, st.lists(st.integers(0, 9_000), max_size=8), st.sets(st.integers(0, 8)))
async def test_cuts_and_moves_change_nothing(seller: str, customer: str, cuts: list[int], moves: set[int]) -> None:
    whole = sound(seller, customer)
    once = await heard(whole, [], moves=set())
    again = await heard(whole, cuts, moves=moves)
    assert gist(again) == gist(once)
    assert [e for e in again if e.type == "metrics"] == [e for e in once if e.type == "metrics"]  # type: ignore[attr-defined]


@given(patterns, patterns, st.lists(st.integers(0, 9_000), max_size=8), st.sets(st.integers(0, 8)))
async def test_stable_text_only_grows_and_begins_its_final(
    seller: str, customer: str, cuts: list[int], moves: set[int]
) -> None:
    told: dict[tuple[Side, int], str] = {}
    for event in await heard(sound(seller, customer), cuts, moves=moves):
        if isinstance(event, wire.Stable | wire.Final):
            before = told.get((event.side, event.utterance), "")
            assert event.text.startswith(before)
            told[event.side, event.utterance] = event.text


async def test_sides_do_not_mix() -> None:
    both = await heard(sound("#" * 20 + "." * 30, "." * 20 + "#" * 20), [], moves=set())
    alone = await heard(sound("#" * 20, "." * 50), [], moves=set())
    assert [e for e in gist(both) if e[0] is Side.SELLER] == gist(alone)


async def test_metrics_tell_shares_pace_and_monologues() -> None:
    events = await heard(sound("#" * 30 + "." * 30, "." * 40 + "#" * 15), [], moves=set())
    [*_, last] = [event for event in events if isinstance(event, wire.Metrics)]
    assert last.talk_share == {Side.SELLER: 0.6667, Side.CUSTOMER: 0.3333}
    assert last.words_per_minute == {Side.SELLER: 120.0, Side.CUSTOMER: 120.0}
    assert last.longest_monologue_s == {Side.SELLER: 3.0, Side.CUSTOMER: 1.5}


async def test_a_word_or_two_do_not_end_a_monologue() -> None:
    events = await heard(sound("#" * 30 + "." * 20 + "#" * 20, "." * 35 + "#####"), [], moves=set())
    [*_, last] = [event for event in events if isinstance(event, wire.Metrics)]
    assert last.longest_monologue_s[Side.SELLER] == pytest.approx(7.0)


async def test_a_long_monologue_is_worth_a_word_once() -> None:
    tenths = round(LONG_S * 10)
    pattern = ("#" * 100 + "." * 6) * (tenths // 106 + 20)
    events = await heard(sound(pattern, ""), [], moves={0})
    assert [event.code for event in events if isinstance(event, wire.Warned)] == ["monologue"]
