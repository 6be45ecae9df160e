from __future__ import annotations

import pytest

from core.content.fallback import FallbackGenerator
from core.kit.errors import Unavailable
from core.ports import Brief, Fact, Text
from tests.fakes.content import BrokenGenerator, FakeGenerator, SilentGenerator

BRIEF = Brief("follow_up", "en", "friendly", (Fact("contact_name", "Maria", "deal:1.contact"),))


async def test_the_first_good_answer_wins_and_the_rest_is_not_asked() -> None:
    first, second = FakeGenerator(), FakeGenerator()
    text = await FallbackGenerator([first, second]).write(BRIEF)
    assert text.written_by == "fake"
    assert (len(first.briefs), second.briefs) == (1, [])


@pytest.mark.parametrize(
    "bad",
    [
        Text("Hello", "It costs R$ 99.", "llm", ()),
        Text("Hello", "", "llm", ()),
        Text("Hello", "so " * 3_000, "llm", ()),
        Text("Hello", "Hi Maria", "llm", ("made_up",)),
    ],
)
async def test_a_bad_answer_falls_through(bad: Text) -> None:
    liar = FakeGenerator(lambda brief: bad)
    text = await FallbackGenerator([liar, FakeGenerator()]).write(BRIEF)
    assert (text.written_by, len(liar.briefs)) == ("fake", 1)


async def test_an_exception_falls_through() -> None:
    assert (await FallbackGenerator([BrokenGenerator(), FakeGenerator()]).write(BRIEF)).written_by == "fake"


async def test_one_that_never_answers_is_left_behind() -> None:
    chain = FallbackGenerator([SilentGenerator(), FakeGenerator()], timeout_s=0.01)
    assert (await chain.write(BRIEF)).written_by == "fake"


async def test_when_all_fail_it_says_so() -> None:
    with pytest.raises(Unavailable):
        await FallbackGenerator([BrokenGenerator(), SilentGenerator()], timeout_s=0.01).write(BRIEF)


async def test_a_chain_can_be_a_link() -> None:
    inner = FallbackGenerator([BrokenGenerator()])
    assert (await FallbackGenerator([inner, FakeGenerator()]).write(BRIEF)).written_by == "fake"
