"""A listener on a transcriber that hears numbers: what must hold for any sound, however it is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.kit.errors import BadInput
from core.live.heard import Heard
from core.live.hearing import ALL, BLOCK, LONG_STEPS, NO_PARTIALS, HearingSettings, Listener
from core.ports import SAMPLE_RATE_HZ, Side
from core.ports_live import Hypothesis
from tests.fakes.engines import FakeMeter, FakeStreamTranscriber

Sound = NDArray[np.float32]
HOW = HearingSettings(edge_s=0.5, long_s=1.5, kept_s=1.0, divide_s=2.5, late_s=3.0, most_s=4.0)

Call = list[tuple[int, list[tuple[int, int]]]]
"""Of one side: blocks of silence, then words, each a number and how many blocks it takes."""


def apart(call: Call) -> Call:
    """No two words that follow one another are the same: they would be one, longer than any turn may be."""
    places = count()
    return [
        (silence, [(number // 2 * 2 + next(places) % 2, length) for number, length in words]) for silence, words in call
    ]


calls = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.lists(st.tuples(st.integers(10, 900), st.integers(9, 24)), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=2,
).map(apart)
cuts = st.lists(st.integers(100, 9000), min_size=1, max_size=8)


def spoken(call: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> Sound:
    """float32 (samples,)."""
    parts = []
    for silence, words in call:
        parts.append(np.zeros(silence * BLOCK, np.float32))
        parts += [np.full(length * BLOCK, number / 1000, np.float32) for number, length in words]
    return np.concatenate([*parts, np.zeros(40 * BLOCK, np.float32)])


def frames(sound: Sound, lengths: Sequence[int]) -> Iterator[Sound]:
    """The sound in frames of these lengths, over and over."""
    at = turn = 0
    while at < len(sound):
        length = lengths[turn % len(lengths)]
        yield sound[at : at + length]
        at, turn = at + length, turn + 1


def listener(side: Side = Side.SELLER, **more: object) -> Listener:
    return Listener(FakeStreamTranscriber(), FakeMeter(), HOW, side=side, language="en", **more)  # type: ignore[arg-type]


async def heard(ear: Listener, sound: Sound, lengths: Sequence[int]) -> list[Heard]:
    said = [one for frame in frames(sound, lengths) for one in await ear.hear(frame)]
    return said + await ear.finish()


def of(kind: str, said: Sequence[Heard]) -> list[Heard]:
    return [one for one in said if one.kind == kind]


@settings(max_examples=25)
@given(calls, cuts)
async def test_any_cut_of_the_sound_gives_the_same(call: Call, lengths: list[int]) -> None:
    sound = spoken(call)
    whole = await heard(listener(), sound, [1_600])
    assert await heard(listener(), sound, lengths) == whole
    assert of("final", whole)


@settings(max_examples=25)
@given(calls, cuts)
async def test_stable_text_never_shrinks_and_begins_the_final(call: Call, lengths: list[int]) -> None:
    said = await heard(listener(), spoken(call), lengths)
    for number in {one.utterance for one in said}:
        mine = [one for one in said if one.utterance == number]
        assert [one.kind for one in mine][:: len(mine) - 1 or 1] == ["speech_started", "final"]
        kept = [one.text.split() for one in mine if one.kind in ("stable", "final")]
        assert all(after[: len(before)] == before for before, after in pairwise(kept))
        assert all(
            one.text == " ".join(word.text for word in one.words) for one in mine if one.kind != "partial" and one.words
        )
    assert [one.at_s for one in said] == sorted(one.at_s for one in said)
    assert [one.utterance for one in of("final", said)] == list(range(len(of("final", said))))


@settings(max_examples=25)
@given(calls, cuts, st.integers(0, 10_000))
async def test_another_goes_on_from_any_frame_and_says_nothing_twice(call: Call, lengths: list[int], dies: int) -> None:
    sound = spoken(call)
    first, said, given = listener(), [], 0
    for frame in list(frames(sound, lengths))[: dies % (len(sound) // lengths[0] + 1)]:
        said += await first.hear(frame)
        given += len(frame)
    utterance = len(of("final", said))
    stable = next((one.words for one in reversed(of("stable", said)) if one.utterance == utterance), ())
    second = Listener.resume(
        FakeStreamTranscriber(), FakeMeter(), HOW, side=Side.SELLER, language="en", at_sample=first.position(),
        utterance=utterance, stable=stable,
    )  # fmt: skip
    rest = await heard(second, sound[first.position() :], lengths)
    assert all(one.utterance >= utterance for one in rest)
    mine = [one for one in rest if one.utterance == utterance and one.kind in ("stable", "final")]
    kept = [[word.text for word in stable], *(one.text.split() for one in mine)]
    assert all(after[: len(before)] == before for before, after in pairwise(kept))
    assert all(len(one.words) > len(stable) for one in of("stable", mine))
    assert [one.utterance for one in of("final", said + rest)] == list(range(len(of("final", said + rest))))
    through = await heard(listener(), sound, lengths)
    numbers = [word for one in of("final", said + rest) for word in one.text.split()]
    assert numbers == [word for one in of("final", through) for word in one.text.split()]


async def test_two_sides_never_mix() -> None:
    seller = spoken([(10, [(100, 12), (101, 12)]), (40, [(102, 12)])])
    customer = spoken([(30, [(200, 12)]), (40, [(201, 12), (202, 12)])])
    shared = FakeStreamTranscriber()
    ears = {side: Listener(shared, FakeMeter(), HOW, side=side, language="en") for side in (Side.SELLER, Side.CUSTOMER)}
    said = [
        one
        for frame in zip(frames(seller, [700]), frames(customer, [700]), strict=False)
        for ear, part in zip(ears.values(), frame, strict=True)
        for one in await ear.hear(part)
    ]
    said += [one for ear in ears.values() for one in await ear.finish()]
    texts = {side: " ".join(one.text for one in of("final", said) if one.side == side) for side in ears}
    assert texts == {Side.SELLER: "100 101 102", Side.CUSTOMER: "200 201 202"}


async def test_what_is_heard_behind_agreed_words_that_are_spelled_otherwise_is_not_lost() -> None:
    class Otherwise(FakeStreamTranscriber):
        """Writes agreed words on, as Whisper makes "who's" of "who"."""

        async def decode(self, window: Sound, *, agreed: str = "", **more: object) -> Hypothesis:  # type: ignore[override]
            found = await super().decode(window, **more)  # type: ignore[arg-type]
            told = len(agreed.split())
            changed = [replace(word, text=f"{word.text}'s") for word in found.words[:told]]
            return replace(found, words=(*changed, *found.words[told:]))

    ear = Listener(Otherwise(), FakeMeter(), HearingSettings(), side=Side.SELLER, language="en")
    said = await heard(ear, spoken([(10, [(number, 15) for number in range(100, 110)])]), [700])
    assert of("stable", said)
    assert of("final", said)[0].text == " ".join(str(number) for number in range(100, 110))


async def test_a_long_turn_is_decoded_less_often() -> None:
    ear, shared = FakeMeter(), FakeStreamTranscriber()
    how = HearingSettings(steps_s=(0.5, 0.5, 0.5), long_s=1.0, divide_s=30.0, late_s=30.0, most_s=30.0)
    await heard(Listener(shared, ear, how, side=Side.SELLER), spoken([(0, [(n, 16) for n in range(100, 112)])]), [512])
    grown = [after - before for before, after in pairwise(shared.windows)]
    assert grown[2] > 1.5 * grown[0]


async def test_of_a_long_turn_only_the_newest_is_heard_again_and_what_was_agreed_leads_into_it() -> None:
    class Led(FakeStreamTranscriber):
        async def decode(self, window: Sound, *, prompt: str = "", agreed: str = "", **more: object) -> Hypothesis:  # type: ignore[override]
            led.append(f"{prompt} {agreed}".split())
            return await super().decode(window, agreed=agreed, **more)  # type: ignore[arg-type]

    led: list[list[str]] = []
    transcriber = Led()
    how = HearingSettings(divide_s=60.0, late_s=60.0, most_s=60.0)
    ear = Listener(transcriber, FakeMeter(), how, side=Side.SELLER, language="en")
    numbers = [str(number) for number in range(100, 140)]  # 19 s
    [final] = of("final", await heard(ear, spoken([(5, [(int(number), 15) for number in numbers])]), [700]))
    assert final.text.split() == numbers
    assert max(transcriber.windows) / SAMPLE_RATE_HZ <= how.long_s + 2 * how.steps_s[ALL]
    assert all(words == numbers[: len(words)] for words in led)
    assert len(led[-1]) > 30


async def test_the_end_is_decoded_while_the_pause_may_still_be_none() -> None:
    class Sentences(FakeStreamTranscriber):
        """Ends each hypothesis with a full stop."""

        async def decode(self, window: Sound, **more: object) -> Hypothesis:  # type: ignore[override]
            found = await super().decode(window, **more)  # type: ignore[arg-type]
            *words, last = found.words
            return replace(found, words=(*words, replace(last, text=f"{last.text}.")))

    for transcriber, silence_s in ((Sentences(), HOW.end_s), (FakeStreamTranscriber(), HOW.open_end_s)):
        ear = Listener(transcriber, FakeMeter(), HOW, side=Side.SELLER)
        sound = spoken([(0, [(100, 12), (101, 12)])])
        said = await heard(ear, sound, [BLOCK])
        [final] = of("final", said)
        end = 24 * BLOCK
        assert final.at_s == pytest.approx((end / SAMPLE_RATE_HZ) + silence_s, abs=2 * BLOCK / SAMPLE_RATE_HZ)
        guess_s = (transcriber.windows[-1] - end) / SAMPLE_RATE_HZ  # it heard no more than that of the silence
        assert guess_s == pytest.approx(HOW.guess_s, abs=BLOCK / SAMPLE_RATE_HZ)


class Doubtful(FakeStreamTranscriber):
    """Is not sure of one word, for which it holds everything up."""

    def __init__(self, doubted: str) -> None:
        super().__init__()
        self._doubted = doubted

    async def decode(self, window: Sound, **more: object) -> Hypothesis:  # type: ignore[override]
        found = await super().decode(window, **more)  # type: ignore[arg-type]
        words = [replace(word, confidence=0.2 if word.text == self._doubted else 0.9) for word in found.words]
        return replace(found, words=tuple(words))


async def test_a_long_turn_is_divided_also_behind_a_word_in_doubt() -> None:
    numbers = range(100, 112)
    how = replace(HOW, long_s=6.0)
    sure = Listener(FakeStreamTranscriber(), FakeMeter(), how, side=Side.SELLER, language="en")
    doubtful = Doubtful("101")
    ear = Listener(doubtful, FakeMeter(), how, side=Side.SELLER, language="en")
    sound = spoken([(5, [(n, 15) for n in numbers])])
    finals = of("final", await heard(ear, sound, [700]))
    assert len(finals) > 1
    assert max(doubtful.windows) / SAMPLE_RATE_HZ <= how.late_s + 2 * how.steps_s[ALL]
    text = " ".join(one.text for one in finals)
    assert text == " ".join(one.text for one in of("final", await heard(sure, sound, [700])))
    assert text == " ".join(map(str, numbers))


async def test_the_end_of_a_turn_goes_before_what_can_wait() -> None:
    class Noting(FakeStreamTranscriber):
        async def decode(self, window: Sound, *, urgent: bool = False, **more: object) -> Hypothesis:  # type: ignore[override]
            noted.append(urgent)
            return await super().decode(window, **more)  # type: ignore[arg-type]

    noted: list[bool] = []
    ear = Listener(Noting(), FakeMeter(), HearingSettings(), side=Side.SELLER, language="en")
    await heard(ear, spoken([(5, [(n, 15) for n in range(100, 104)])]), [700])
    assert noted == [False, False, True]


async def test_under_pressure_partials_go_first_and_then_most_of_the_work() -> None:
    sound = spoken([(5, [(n, 12) for n in range(100, 112)])])
    works, finals = [], []
    for pressure in (ALL, NO_PARTIALS, LONG_STEPS):
        transcriber = FakeStreamTranscriber()
        ear = Listener(transcriber, FakeMeter(), side=Side.SELLER, pressure=lambda level=pressure: level)
        said = await heard(ear, sound, [800])
        assert bool(of("partial", said)) == (pressure == ALL)
        works.append(len(transcriber.windows))
        finals.append([one.text for one in of("final", said)])
    assert works == sorted(works, reverse=True)
    assert works[0] > 2 * works[-1]
    assert finals[0] == finals[1] == finals[2]


async def test_of_what_is_caught_up_with_only_the_ends_of_turns_are_decoded() -> None:
    sound = spoken([(5, [(n, 12) for n in range(100, 112)]), (40, [(n, 12) for n in range(200, 203)])])
    transcribers = FakeStreamTranscriber(), FakeStreamTranscriber()
    finals = []
    for transcriber, length in zip(transcribers, (1_600, len(sound)), strict=True):
        ear = Listener(transcriber, FakeMeter(), side=Side.SELLER)
        finals.append([one.text for one in of("final", await heard(ear, sound, [length]))])
    assert finals[0] == finals[1]
    assert len(transcribers[1].windows) == 2 < len(transcribers[0].windows)


async def test_a_turn_without_an_end_is_caught_up_with_in_windows_that_can_be_heard() -> None:
    transcriber = FakeStreamTranscriber()
    ear = Listener(transcriber, FakeMeter(), HOW, side=Side.SELLER)
    sound = spoken([(5, [(n, 15) for n in range(100, 130)])])
    finals = of("final", await heard(ear, sound, [len(sound)]))
    words = [word.text.split("~")[0] for one in finals for word in one.words]  # one that is cut is heard twice
    assert list(dict.fromkeys(words)) == [str(number) for number in range(100, 130)]
    assert max(transcriber.windows) / SAMPLE_RATE_HZ <= HOW.most_s + BLOCK / SAMPLE_RATE_HZ


async def test_a_knock_is_no_utterance_and_silence_costs_nothing() -> None:
    transcriber = FakeStreamTranscriber()
    ear = Listener(transcriber, FakeMeter(), HOW, side=Side.SELLER)
    said = await heard(ear, spoken([(30, [(500, 2)])]), [BLOCK])
    assert not said
    assert not transcriber.windows
    assert ear.position() > 0  # what is not needed is not kept


async def test_sound_of_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match="float32"):
        await listener().hear(np.zeros(512, np.int16))
