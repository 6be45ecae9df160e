"""What is heard becomes events for the client: findings first, then at most one suggestion."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.competitors import repository as competitors
from core.competitors.model import Competitor
from core.kit.db import Database
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.live import wire
from core.live.facts import Facts
from core.live.heard import Heard, Kind, Side
from core.live.mind import LiveMind
from core.live.suggest.suggester import Shelf
from tests.fakes.engines import FakeEmbedder, FakeHotValues, FakeSentiment

DEAR = "It is too expensive for us."


def facts(tenant_id: UUID) -> Facts:
    return Facts(
        session=new_id(), tenant_id=tenant_id, owner_id=new_id(), deal_id=None, language="en", encoding="pcm16",
        sample_rate_hz=16_000, channels=(Side.SELLER, Side.CUSTOMER), title=None, participants=(),
        started_at=datetime(2026, 11, 24, tzinfo=UTC),
    )  # fmt: skip


def heard(text: str, at_s: float = 3.0, kind: Kind = "final", utterance: int = 0) -> Heard:
    return Heard(kind, Side.CUSTOMER, utterance, text, (), at_s)


@pytest.fixture
def shelf(db: Database) -> Shelf:
    return Shelf(db, FakeEmbedder(), FakeHotValues())


async def test_an_objection_is_told_and_answered(shelf: Shelf) -> None:
    mind = await LiveMind.open(shelf, FakeSentiment(), facts(new_id()), None)
    mood, objection, suggestion = await mind.take(heard(DEAR))
    assert isinstance(mood, wire.Mood)
    assert isinstance(objection, wire.Objection)
    assert (objection.kind, objection.text, objection.at_s) == ("price", DEAR, 3.0)
    assert isinstance(suggestion, wire.Suggestion)
    assert not suggestion.asked


async def test_a_named_rival_brings_his_card(shelf: Shelf) -> None:
    tenant_id = new_id()
    async with shelf.db.tenant(tenant_id) as tx:
        row = Competitor(
            id=new_id(), tenant_id=tenant_id, name="Zoho", weaknesses=["reports"], created_at=tx.clock.now()
        )
        await competitors.add(tx, row)
    mind = await LiveMind.open(shelf, FakeSentiment(), facts(tenant_id), None)
    [card] = await mind.take(heard("We looked at Zoho as", kind="stable"))
    assert isinstance(card, wire.Battlecard)
    assert "reports" in card.text


async def test_who_asks_is_answered_about_what_was_said_last(shelf: Shelf) -> None:
    mind = await LiveMind.open(shelf, FakeSentiment(), facts(new_id()), None)
    assert await mind.ask(None, 0.0) == []
    await mind.take(heard(DEAR))
    said = [await mind.ask(None, 4.0) for _ in range(2)]
    [first], [second] = said
    assert isinstance(first, wire.Suggestion)
    assert isinstance(second, wire.Suggestion)
    assert first.asked
    assert first.text != second.text
    assert await mind.ask("How is the weather in Lisbon?", 4.0) == []


async def test_feedback_reaches_the_ranking(shelf: Shelf) -> None:
    mind = await LiveMind.open(shelf, FakeSentiment(), facts(new_id()), None)
    [*_, told] = await mind.take(heard(DEAR))
    assert isinstance(told, wire.Suggestion)
    for said in ({"verdict": "accept"}, {"verdict": "rate", "rating": 5}):
        await mind.feedback(wire.Feedback.model_validate({"suggestion": told.id, **said}))
    with pytest.raises(NotFound):
        await mind.feedback(wire.Feedback(suggestion=new_id(), verdict="dismiss"))


async def test_another_process_goes_on_where_the_mind_was(shelf: Shelf) -> None:
    what = facts(new_id())
    first = await LiveMind.open(shelf, FakeSentiment(), what, None)
    await first.take(heard(DEAR))
    second = await LiveMind.open(shelf, FakeSentiment(), what, json.loads(json.dumps(first.state())))
    assert await second.take(heard(DEAR)) == []
    [_, objection] = await second.take(heard("And I am worried about security risks.", 8.0, utterance=1))
    assert isinstance(objection, wire.Objection)
    told = await second.take(heard("Hm.", 11.5, utterance=2))
    assert [one.type for one in told] == ["suggestion"]
