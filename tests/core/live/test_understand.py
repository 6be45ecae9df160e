"""What is understood while somebody speaks: at the right moment, once, and the same after a move to another process."""

from __future__ import annotations

import json
from collections.abc import Sequence

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
        assert await mind.take(heard("We use Pipedrive, it is too expensive.", kind)) == []


async def test_an_objection_is_heard_before_its_sentence_ends_and_only_once() -> None:
    mind = understanding()
    assert told(await mind.take(heard("Well, this is", "stable"))) == []
    early = await mind.take(heard("Well, this is too expensive for", "stable"))
    assert told(early) == [("objection", "price")]
    assert told(await mind.take(heard("Well, this is too expensive for us.", "stable"))) == []
    assert told(await mind.take(heard("Well, this is too expensive for us."))) == []
    [waits] = mind.situation().objections
    assert (waits.name, waits.at_s) == ("price", 1.0)


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
    steps = [heard(" ".join(words[:cut]), "stable") for cut in sorted(cuts)] + [heard(" ".join(words))]
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
