"""Whose turn it is, counted in turns: no clock, no sleep."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.automation.mailboxes import Mailboxes


class Office:
    """Delivers when told to, and writes down in which order it began."""

    def __init__(self, at_once: int = 1) -> None:
        self.begun: list[tuple[str, int]] = []
        self.in_hand: Counter[str] = Counter()
        self.most_in_hand = 0
        self.boxes: Mailboxes[str, int] = Mailboxes(self._deliver, at_once=at_once)

    async def _deliver(self, owner: str, letter: int) -> None:
        self.in_hand[owner] += 1
        assert self.in_hand[owner] == 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand.total())
        self.begun.append((owner, letter))
        for _ in range(1 + letter % 3):
            await asyncio.sleep(0)  # let others on; no time passes
        self.in_hand[owner] -= 1


async def test_a_noisy_one_does_not_starve_the_rest() -> None:
    office = Office()
    noisy = [asyncio.create_task(office.boxes.send("noisy", n)) for n in range(1_000)]
    await asyncio.sleep(0)
    quiet = [asyncio.create_task(office.boxes.send(f"quiet-{n}", 0)) for n in range(5)]
    await asyncio.gather(*quiet)
    turns = [owner for owner, _ in office.begun]
    first = turns.index("quiet-0")
    # Some turns of the noisy one were over before they were there; then each of them came before its next.
    assert first <= 4
    assert turns[first : first + 5] == [f"quiet-{n}" for n in range(5)]
    await asyncio.gather(*noisy)
    assert [letter for owner, letter in office.begun if owner == "noisy"] == list(range(1_000))


async def test_two_noisy_ones_take_turns() -> None:
    office = Office()
    await asyncio.gather(*(office.boxes.send(owner, n) for owner in ("a", "b") for n in range(10)))
    assert [owner for owner, _ in office.begun] == ["a", "b"] * 10


@given(st.lists(st.sampled_from("abcde"), max_size=40), st.integers(1, 4))
@settings(max_examples=60)
def test_any_mail_comes_in_order_once_and_never_two_at_a_time(owners: list[str], at_once: int) -> None:
    office = Office(at_once)

    async def post() -> None:
        await asyncio.gather(*(office.boxes.send(owner, number) for number, owner in enumerate(owners)))

    asyncio.run(post())
    sent: defaultdict[str, list[int]] = defaultdict(list)
    got: defaultdict[str, list[int]] = defaultdict(list)
    for number, owner in enumerate(owners):
        sent[owner].append(number)
    for owner, number in office.begun:
        got[owner].append(number)
    assert got == sent
    assert office.most_in_hand <= at_once
    assert office.boxes.waiting() == 0


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=40))
@settings(max_examples=60)
def test_nobody_has_two_turns_while_another_waits(owners: list[str]) -> None:
    office = Office()

    async def post() -> None:
        await asyncio.gather(*(office.boxes.send(owner, number) for number, owner in enumerate(owners)))

    asyncio.run(post())
    left = Counter(owners)
    turns: Counter[str] = Counter()
    for owner, _ in office.begun:
        # All mail was there from the start, so nobody is more than one turn ahead of anybody who still waits.
        assert all(turns[owner] <= turns[other] for other in left if left[other])
        turns[owner] += 1
        left[owner] -= 1


async def test_what_a_delivery_raises_is_raised_to_its_sender_alone() -> None:
    async def deliver(owner: str, letter: int) -> None:
        if letter == 1:
            raise ValueError("no")

    boxes: Mailboxes[str, int] = Mailboxes(deliver, at_once=1)
    first, second = await asyncio.gather(boxes.send("a", 1), boxes.send("a", 2), return_exceptions=True)
    assert isinstance(first, ValueError)
    assert second is None


async def test_who_stops_waiting_takes_the_letter_back() -> None:
    office = Office()
    held = asyncio.create_task(office.boxes.send("a", 2))
    dropped = asyncio.create_task(office.boxes.send("a", 4))
    await asyncio.sleep(0)
    dropped.cancel()
    await held
    with pytest.raises(asyncio.CancelledError):
        await dropped
    await office.boxes.empty()
    assert office.begun == [("a", 2)]
