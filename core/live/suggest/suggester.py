"""What to say next in one conversation: seldom, from what the tenant knows, and nothing where nothing fits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from core.competitors import repository as competitors
from core.datascience.features.store import HotValues
from core.kit.db import Database
from core.kit.ids import new_id
from core.knowledge.search import Answer
from core.live.playbook import repository as playbook
from core.live.playbook.battlecards import Battlecard, battlecard
from core.live.playbook.entries import Entry, starter, starter_languages, with_vectors
from core.live.suggest import feedback, repository
from core.live.suggest.candidates import Candidate, Cause, SuggestionKind, candidates, causes
from core.live.suggest.earlier import CALLS, LeftOpen, left_open, reminders
from core.live.suggest.model import SuggestionRow
from core.live.suggest.ranking import Ranking
from core.live.suggest.recent import Answers
from core.live.suggest.rephrase import Rephraser
from core.live.understand import Situation
from core.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVERY_S = 8.0
_LEAST = 0.35  # chance of being taken, below which nothing is said unasked
_CAUSES = 3  # the newest that are looked at
_LEAST_WORDS = 3  # of what the documents are asked about


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`source`: `playbook:<entry>`, `starter:<entry>`, `battlecard:<competitor>` or `knowledge:<document>#<passage>`.
    `because`: what it answers to. `confidence`: how likely sellers take it."""

    id: UUID
    kind: SuggestionKind
    text: str
    source: str
    confidence: float
    because: str
    at_s: float
    asked: bool = False


class Shelf:
    """What the suggesters of one process share."""

    def __init__(
        self, db: Database, embedder: Embedder, hot: HotValues, rephraser: Rephraser | None = None
    ) -> None:  # fmt: skip
        self.db = db
        self.embedder = embedder
        self.answers = Answers(db, hot)
        self.rephraser = rephraser
        self._starters: dict[str, tuple[Entry, ...]] = {}
        self._loading = asyncio.Lock()

    async def warm(self) -> None:
        """The starter playbooks take seconds to embed: not while the first customer speaks."""
        for language in starter_languages():
            await self.starter(language)

    async def starter(self, language: str) -> tuple[Entry, ...]:
        async with self._loading:
            if language not in self._starters:
                self._starters[language] = await with_vectors(starter(language), self.embedder)
        return self._starters[language]


@dataclass(frozen=True, slots=True)
class Known:
    """A tenant's, as it stands when a conversation begins."""

    entries: tuple[Entry, ...]
    cards: Mapping[UUID, Battlecard]
    ranking: Ranking
    left_open: tuple[LeftOpen, ...] = ()


class Suggester:
    """One conversation's. `suggest` after anything new was understood; it keeps the pace itself."""

    def __init__(self, shelf: Shelf, tenant_id: UUID, session_id: UUID, language: str, known: Known) -> None:
        self._shelf = shelf
        self._tenant_id = tenant_id
        self._session_id = session_id
        self._language = language
        self._known = known
        self._last_s: float | None = None
        self._said: list[str] = []  # keys of candidates
        self._served: list[str] = []  # causes

    @classmethod
    async def open(
        cls, shelf: Shelf, tenant_id: UUID, session_id: UUID, language: str, *, deal_id: UUID | None = None
    ) -> Suggester:  # fmt: skip
        """Reads what the tenant has. Who has no playbook in the language goes by the starter."""
        async with shelf.db.tenant(tenant_id) as tx:
            own = await playbook.in_use(tx, language)
            rivals = await competitors.all_of(tx)
            ranking = await repository.ranking(tx)
            before = await repository.shown_by_calls(tx, deal_id, CALLS) if deal_id is not None else []
        cards = {card.competitor_id: card for row in rivals if (card := battlecard(row, language)) is not None}
        entries = await with_vectors(own, shelf.embedder) if own else await shelf.starter(language)
        return cls(shelf, tenant_id, session_id, language, Known(entries, cards, ranking, left_open(before)))

    @property
    def due_s(self) -> float:
        """From when on something may be said unasked, in the time of `suggest`."""
        return 0.0 if self._last_s is None else self._last_s + EVERY_S

    def waits(self, now: Situation) -> bool:
        """Whether there is something to react to."""
        return bool(self._fresh(now))

    def _fresh(self, now: Situation) -> list[Cause]:
        possible = [*causes(now), *reminders(now, self._known.left_open, self._language)]
        return [one for one in possible if now.asked is not None or _name(one) not in self._served]

    async def suggest(self, now: Situation, now_s: float) -> Suggestion | None:
        """`now_s`: seconds, of any clock that only goes forward. None: it is too early, or nothing useful is known."""
        if now.asked is None and now_s < self.due_s:
            return None
        found = self._fresh(now)[:_CAUSES]
        if not found:
            return None
        best = await self._best(now, found)
        if best is None:
            return None
        chance = self._known.ranking.chance(best.features)
        text = best.text
        # What is quoted stays word for word.
        if self._shelf.rephraser is not None and best.source.startswith(("playbook:", "starter:")):
            text = await self._shelf.rephraser.rephrase(text, best.cause.text, self._language) or text
        told = Suggestion(
            new_id(), best.kind, text, best.source, round(chance, 3), best.cause.trigger, best.cause.at_s,
            now.asked is not None,
        )  # fmt: skip
        await self._keep(told, best)
        self._last_s = now_s
        self._said.append(best.key)
        if now.asked is None:
            self._served.append(_name(best.cause))
        return told

    async def _best(self, now: Situation, found: Sequence[Cause]) -> Candidate | None:
        vectors = await self._vectors(found)
        answers = await self._answers(found, vectors)
        known, ranking = self._known, self._known.ranking
        possible = [
            one
            for one in candidates(now, found, vectors, known.entries, known.cards, answers)
            if now.asked is not None or (one.key not in self._said and ranking.chance(one.features) >= _LEAST)
        ]
        # Who asks again wants something else.
        return max(
            possible, key=lambda one: (one.key not in self._said, ranking.score(one.features), one.key), default=None
        )  # fmt: skip

    async def _vectors(self, found: Sequence[Cause]) -> dict[str, NDArray[np.float32]]:
        texts = list({cause.text: None for cause in found if cause.competitor_id is None and cause.text})
        return dict(zip(texts, await self._shelf.embedder.embed(texts), strict=True)) if texts else {}

    async def _answers(
        self, found: Sequence[Cause], vectors: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, Answer]:  # fmt: skip
        """What the documents say to questions and objections."""
        asking = ("question", "asked", "objection")
        answers: dict[str, Answer] = {}
        for cause in found:
            wants = cause.trigger.partition(":")[0] in asking and len(cause.text.split()) >= _LEAST_WORDS
            if wants and cause.text in vectors:
                answer = await self._shelf.answers.find(self._tenant_id, cause.text, vectors[cause.text])
                if answer is not None:
                    answers[cause.text] = answer
        return answers

    async def _keep(self, told: Suggestion, best: Candidate) -> None:
        async with self._shelf.db.tenant(self._tenant_id) as tx:
            row = SuggestionRow(
                id=told.id, tenant_id=tx.tenant_id, session_id=self._session_id, kind=told.kind, entry=best.key,
                features=dict(best.features), confidence=told.confidence, asked=told.asked, at=tx.clock.now(),
            )  # fmt: skip
            await repository.add(tx, row)

    # ── what the seller makes of it ──────────────────────────────────────────────────────────────────────────────────

    async def judge(self, suggestion_id: UUID, verdict: Literal["accepted", "dismissed"]) -> None:
        """Counts from the next suggestion on. Raises `NotFound`."""
        async with self._shelf.db.tenant(self._tenant_id) as tx:
            await feedback.judge(tx, suggestion_id, verdict)
            self._learnt(await repository.ranking(tx))

    async def rate(self, suggestion_id: UUID, rating: int) -> None:
        """`rating`: 1 to 5. Raises `NotFound`."""
        async with self._shelf.db.tenant(self._tenant_id) as tx:
            await feedback.rate(tx, suggestion_id, rating)
            self._learnt(await repository.ranking(tx))

    def _learnt(self, ranking: Ranking) -> None:
        self._known = replace(self._known, ranking=ranking)

    # ── to go on elsewhere ───────────────────────────────────────────────────────────────────────────────────────────

    def state(self, now_s: float) -> dict[str, Any]:
        """As JSON; times become ages, as another process has another clock."""
        age_s = None if self._last_s is None else now_s - self._last_s
        return {"age_s": age_s, "said": list(self._said), "served": list(self._served)}

    def restore(self, state: Mapping[str, Any], now_s: float) -> None:
        self._last_s = None if state["age_s"] is None else now_s - state["age_s"]
        self._said, self._served = list(state["said"]), list(state["served"])


def _name(cause: Cause) -> str:
    """Each time that something comes up is a cause of its own; a falling mood is one for all, and so is a rival."""
    lasting = cause.trigger in ("mood:falling", "competitor") or cause.trigger.startswith("earlier:")
    return f"{cause.trigger}:{cause.competitor_id or ''}" if lasting else f"{cause.trigger}@{cause.at_s:.2f}"
