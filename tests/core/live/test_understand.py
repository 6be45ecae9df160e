"""What is understood while somebody speaks: at the right moment, once, and the same after a move to another process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.competitors.detect import Competitor
from core.kit.ids import new_id
from core.live.heard import Heard, Kind, Side
from core.live.understand import Understanding, Understood
from core.ports import Emotion, Intention, Mood
from tests.fakes.engines import FakeSentiment

PIPEDRIVE = Competitor(new_id(), "Pipedrive", ("Pipe Drive",))


def understanding(language: str = "en") -> Understanding:
    return Understanding(FakeSentiment(), [PIPEDRIVE], language=language)


def heard(text: str, kind: Kind = "final", side: Side = Side.CUSTOMER, utterance: int = 0, at_s: float = 1.0) -> Heard:
    return Heard(kind, side, utterance, text, (), at_s)


def partial(text: str, utterance: int = 0, side: Side = Side.CUSTOMER, at_s: float = 1.0) -> Heard:
    return Heard("partial", side, utterance, text, (), at_s)


async def twice(mind: Understanding, *texts: str, **more: Any) -> list[Understood]:
    """What comes of partials of which the second says what the first said."""
    first, second = texts if len(texts) == 2 else (texts[0], texts[0])
    assert await mind.take(partial(first, **more)) == []
    return await mind.take(partial(second, **more))


def told(found: Sequence[Understood], *kinds: str) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in found if one.kind != "mood" and (not kinds or one.kind in kinds)]


class Judged:
    """A `SentimentAnalyzer` that gives every text one mood and notes what it was asked."""

    def __init__(self, intention: Intention, confidence: float = 0.9) -> None:
        self._mood = Mood(0.5, 0.9, 0.4, Emotion.JOY, 0.8, intention, confidence)
        self.asked: list[str] = []

    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        self.asked += texts
        return [self._mood] * len(texts)


async def test_what_is_not_agreed_on_yet_says_nothing() -> None:
    mind = understanding()
    for kind in ("speech_started", "partial"):
        assert await mind.take(heard("We use Pipedrive, it is too expensive. How long?", kind)) == []


async def test_an_objection_is_heard_before_its_sentence_ends_and_only_once() -> None:
    mind = understanding()
    assert told(await mind.take(heard("Well, this is", "stable"))) == []
    early = await mind.take(heard("Well, this is too expensive for", "stable"))
    assert told(early) == [("objection", "price")]
    assert told(await mind.take(heard("Well, this is too expensive for us.", "stable"))) == []
    assert told(await mind.take(heard("Well, this is too expensive for us."))) == []
    [waits] = mind.situation().objections
    assert (waits.name, waits.at_s) == ("price", 1.0)


async def test_what_was_heard_twice_does_not_wait_for_a_word_in_doubt() -> None:
    mind = understanding()
    await mind.take(heard("Honestly,", "stable"))
    first = "thus is too expensive. How long does it take? We use Pipedrive"
    early = await twice(mind, first, "this is too expensive. How long does it take? We use Pipedrive now", at_s=2.0)
    assert sorted(told(early)) == [("competitor", "Pipedrive"), ("objection", "price"), ("question", "question")]
    assert not any(one.kind == "mood" for one in early)
    assert mind.situation().question is not None
    assert mind.situation().said == ()
    assert await mind.take(partial("this is too expensive. How long does it take? We use Pipedrive now.")) == []
    late = await mind.take(heard("Honestly, this was too expensive. How long did it take? We use Pipedrive now."))
    assert told(late) == []
    assert any(one.kind == "mood" for one in late)
    assert len(mind.situation().said) == 3


async def test_what_was_told_early_is_not_told_again_where_its_turn_is_divided() -> None:
    mind = understanding()
    await twice(mind, "Yes, go on. This is too expensive. How long does it take?")
    assert told(await mind.take(heard("Yes, go on."))) == []
    assert told(await mind.take(heard("This is too expensive. How long does it take?", utterance=1))) == []
    assert told(await mind.take(heard("Too expensive. How long does it take?", utterance=2))) == [
        ("objection", "price"), ("question", "question"),
    ]  # fmt: skip


async def test_two_questions_in_one_turn_are_two() -> None:
    mind = understanding()
    found = [
        await twice(mind, "How long does it take?"),
        await twice(mind, "How long does it take? What does it cost?"),
    ]
    found.append(await mind.take(heard("How long does it take? What does it cost? Where are you?")))
    assert [len(told(one)) for one in found] == [1, 1, 1]


async def test_an_intention_is_told_early_and_once() -> None:
    mind = Understanding(Judged(Intention.BUYING_SIGNAL), [], language="en")
    assert told(await twice(mind, "I like it very much. And", "I liked it very much. And how")) == [
        ("intent", "buying_signal")
    ]
    assert told(await mind.take(heard("I like it very much."))) == []


async def test_the_model_is_asked_once_about_what_is_heard_over_and_over() -> None:
    judged = Judged(Intention.INFORMATION)
    mind = Understanding(judged, [], language="en")
    for text in (
        "It costs a lot",
        "It costs a lot. We are",
        "It cost a lot. We are twelve.",
        "It costs a lot. We are twelve. And",
    ):
        await mind.take(partial(text))
    await mind.take(heard("It costs a lot. We are twelve."))
    assert judged.asked == ["It cost a lot.", "We are twelve.", "It costs a lot."]


async def test_nobody_answers_himself_where_it_is_not_known_who_speaks() -> None:
    mind = understanding()
    asked = "How long does it take until all of this works for a team of twelve people?"
    assert told(await twice(mind, asked, side=Side.UNKNOWN)) == [("question", "question")]
    assert told(await mind.take(heard(asked, side=Side.UNKNOWN, at_s=5.0))) == []
    answer = heard("It takes two weeks at most, and then your whole team works.", "final", Side.UNKNOWN, 1, 9.0)
    assert told(await mind.take(answer)) == [("answered", "question")]


async def test_an_objection_that_only_the_model_sees_waits_for_the_end_of_its_sentence() -> None:
    mind = understanding()
    assert told(await mind.take(heard("There is no API that we could", "stable"))) == []
    assert told(await mind.take(heard("There is no API that we could use. And", "stable"))) == [
        ("objection", "integration")
    ]


async def test_a_competitor_is_named_by_either_side_also_misspelt() -> None:
    mind = understanding()
    [one] = await mind.take(heard("Unlike Pipe Drive we", "stable", Side.SELLER))
    assert (one.kind, one.competitor_id, one.side) == ("competitor", PIPEDRIVE.id, Side.SELLER)
    assert [named.name for named in mind.situation().competitors] == ["Pipedrive"]


@pytest.mark.parametrize(("language", "text"), [("en", "How long does it take?"), ("pt", "Quanto tempo demora")])
async def test_a_question_is_told_with_and_without_its_mark(language: str, text: str) -> None:
    mind = understanding(language)
    assert told(await mind.take(heard(text))) == [("question", "question")]
    assert mind.situation().question is not None


async def test_the_seller_objects_and_asks_nothing() -> None:
    mind = understanding()
    assert await mind.take(heard("Is that too expensive? No budget at all?", side=Side.SELLER)) == []


async def test_an_answer_closes_what_it_speaks_to_and_nothing_else() -> None:
    mind = understanding()
    await mind.take(heard("It is too expensive for us. And we are worried about security."))
    assert [one.name for one in mind.situation().objections] == ["price", "trust"]
    answer = "I understand, and the price includes the training for your whole team."
    assert told(await mind.take(heard(answer, side=Side.SELLER, at_s=4.0))) == [("answered", "price")]
    now = mind.situation()
    assert ([one.name for one in now.objections], now.answered) == (["trust"], ("price",))
    await mind.take(heard("Still, it is too expensive.", utterance=1, at_s=6.0))
    now = mind.situation()
    assert ([one.name for one in now.objections], now.answered) == (["trust", "price"], ())


async def test_a_word_of_comfort_is_no_answer() -> None:
    mind = understanding()
    await mind.take(heard("It is too expensive for us."))
    assert told(await mind.take(heard("I understand the price.", side=Side.SELLER, at_s=3.0))) == []
    assert len(mind.situation().objections) == 1


async def test_what_it_is_about_takes_the_place_of_a_concern_without_a_name() -> None:
    mind = Understanding(Judged(Intention.OBJECTION), [], language="en")
    await mind.take(heard("I have one more thing. It has to work with our ERP."))
    assert [one.name for one in mind.situation().objections] == ["integration"]


async def test_an_intention_counts_when_it_is_sure() -> None:
    sure = Understanding(Judged(Intention.BUYING_SIGNAL), [], language="en")
    assert told(await sure.take(heard("We would like to begin in May."))) == [("intent", "buying_signal")]
    unsure = Understanding(Judged(Intention.BUYING_SIGNAL, 0.3), [], language="en")
    assert told(await unsure.take(heard("We would like to begin in May."))) == []


async def test_the_mood_is_smoothed_and_its_trend_told() -> None:
    mind = understanding()
    moods = [one for one in await mind.take(heard("That is very good. There is no way.")) if one.kind == "mood"]
    assert [(one.valence, one.trend) for one in moods] == [(0.4, 0.0), (0.0, -0.4)]
    assert mind.situation().trend == -0.4


async def test_the_model_is_asked_about_whole_sentences_of_the_customer_once() -> None:
    judged = Judged(Intention.INFORMATION)
    mind = Understanding(judged, [], language="en")
    for text in ("It costs 3.500 a", "It costs 3.500 a month. Yes.", "It costs 3.500 a month. Yes. We are twelve"):
        await mind.take(heard(text, "stable"))
    await mind.take(heard("It costs 3.500 a month. Yes. We are twelve people"))
    await mind.take(heard("We are only the seller.", side=Side.SELLER))
    assert judged.asked == ["It costs 3.500 a month.", "We are twelve people"]


SPOKEN = ["It", "is", "too", "expensive.", "no", "We", "use", "Pipe", "Drive", "today.", "How", "many?", "API", "now."]


@given(
    st.lists(st.sampled_from(SPOKEN), min_size=1, max_size=20),
    st.lists(st.integers(1, 20), max_size=6),
    st.integers(0, 6),
)
async def test_nothing_is_said_twice_and_a_move_changes_nothing(words: list[str], cuts: list[int], moved: int) -> None:
    parts = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in sorted(cuts)]
    steps = [step for stable, tail in parts for step in (heard(stable, "stable"), partial(tail), partial(tail))]
    steps.append(heard(" ".join(words)))
    stays, first = understanding(), understanding()
    alone = [await stays.take(step) for step in steps]
    found = []
    for number, step in enumerate(steps):
        if number == moved:
            state = json.loads(json.dumps(first.state()))
            first = understanding()
            first.restore(state)
        found.append(await first.take(step))
    assert found == alone
    assert first.situation() == stays.situation()
    once = [(one.kind, one.name) for told_ in alone for one in told_ if one.kind in ("objection", "competitor")]
    assert len(once) == len(set(once))
