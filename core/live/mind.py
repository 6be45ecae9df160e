"""The mind of a running session: what is heard becomes what is meant, and now and then something to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.competitors import repository as competitors
from core.competitors.detect import Competitor
from core.live import wire
from core.live.facts import Facts
from core.live.heard import Heard
from core.live.suggest.suggester import Shelf, Suggester, Suggestion
from core.live.understand import Situation, Understanding, Understood
from core.ports import SentimentAnalyzer

if TYPE_CHECKING:
    from core.bootstrap import Services


class LiveMind:
    """One session's. Its time is that of the sound, which is the same wherever the session is held."""

    def __init__(self, understanding: Understanding, suggester: Suggester) -> None:
        self._understanding = understanding
        self._suggester = suggester

    @classmethod
    async def open(
        cls, shelf: Shelf, moods: SentimentAnalyzer, facts: Facts, state: Mapping[str, Any] | None
    ) -> LiveMind:  # fmt: skip
        """`state`: of the mind before, where the session goes on."""
        async with shelf.db.tenant(facts.tenant_id) as tx:
            rivals = [Competitor(row.id, row.name, tuple(row.aliases)) for row in await competitors.all_of(tx)]
        understanding = Understanding(moods, rivals, language=facts.language)
        suggester = await Suggester.open(shelf, facts.tenant_id, facts.session, facts.language, deal_id=facts.deal_id)
        if state is not None:
            understanding.restore(state["understanding"])
            suggester.restore(state["suggester"], understanding.situation().at_s)
        return cls(understanding, suggester)

    async def take(self, heard: Heard) -> list[wire.Event]:
        found = [event for one in await self._understanding.take(heard) for event in told(one)]
        return found + await self._suggested(self._understanding.situation(), heard.at_s)

    def due_s(self) -> float | None:
        """When what waits for its turn may be said; None: nothing waits."""
        return self._suggester.due_s if self._suggester.waits(self._understanding.situation()) else None

    async def remind(self, at_s: float) -> list[wire.Event]:
        """The time has come."""
        return await self._suggested(self._understanding.situation(), at_s)

    async def ask(self, text: str | None, at_s: float) -> list[wire.Event]:
        return await self._suggested(self._understanding.situation().asking(text or ""), at_s)

    async def feedback(self, feedback: wire.Feedback) -> None:
        if feedback.rating is not None:
            await self._suggester.rate(feedback.suggestion, feedback.rating)
        else:
            await self._suggester.judge(
                feedback.suggestion, "accepted" if feedback.verdict == "accept" else "dismissed"
            )  # fmt: skip

    def state(self) -> dict[str, Any]:
        at_s = self._understanding.situation().at_s
        return {"understanding": self._understanding.state(), "suggester": self._suggester.state(at_s)}

    async def _suggested(self, now: Situation, at_s: float) -> list[wire.Event]:
        # One side may be behind the other: the later of both is now.
        now_s = max(now.at_s, at_s)
        said = await self._suggester.suggest(replace(now, at_s=now_s), now_s)
        return [] if said is None else [shown(said, now_s)]


class Minds:
    """Makes them, with one shelf for all sessions of the process."""

    def __init__(self, services: Services) -> None:
        from core.gateways.hot import RedisHotValues

        url = services.settings.redis.url
        assert url is not None, "embedded servers are started before this"
        self._moods = services.sentiment
        self._shelf = Shelf(services.db, services.embedder, RedisHotValues(url.get_secret_value()))

    async def __call__(self, facts: Facts, state: Mapping[str, Any] | None) -> LiveMind:
        return await LiveMind.open(self._shelf, self._moods, facts, state)

    async def warm(self) -> None:
        await self._shelf.warm()


def told(one: Understood) -> list[wire.Event]:
    """A finding as the client is told of it; names come as battlecards, and what was answered is our own affair."""
    where: dict[str, Any] = {"at_s": one.at_s, "side": one.side, "utterance": one.utterance}
    if one.kind == "mood":
        return [wire.Mood(**where, valence=one.valence, trend=one.trend, emotion=one.name)]
    if one.kind in ("intent", "question"):
        return [wire.Intent(**where, intent=one.name, confidence=one.confidence, text=one.text)]
    if one.kind == "objection":
        return [wire.Objection(**where, kind=one.name, confidence=one.confidence, text=one.text)]
    return []


def shown(said: Suggestion, at_s: float) -> wire.Event:
    shape = wire.Battlecard if said.kind == "battlecard" else wire.Suggestion
    return shape.model_validate({
        "at_s": at_s, "id": said.id, "kind": said.kind, "text": said.text, "source": said.source,
        "confidence": said.confidence, "asked": said.asked,
    })  # fmt: skip
