"""Keeps one running session going, from the store and for the store: reads what the client sent, lets it be heard and
understood, and says what came of it.

Events and the state that they lead to are written in one step, by two hands: one hears, the other understands what is
stable, a little later. Whoever takes over reads both states, hears again what was in hand, and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from core.kit.errors import Conflict, SalesEdgeError
from core.kit.live_settings import LiveSettings
from core.kit.log import logger
from core.live import wire
from core.live.audio_in import WARM_S, Intake
from core.live.facts import Facts
from core.live.heard import Heard
from core.live.recording import Recording
from core.live.session import LiveSession, MakeEar
from core.live.store import Kept, LiveStore, Sent
from core.ports import SAMPLE_RATE_HZ, Clock, Side, Word

log = logger("live")
HEARING, MIND, OVER = "hearing", "mind", "over"
_WAIT_S = 0.5
_STATE_EVERY = SAMPLE_RATE_HZ // 2  # samples after which the state is written though nothing was said
_MIND_S = 5.0  # that the understanding may take to come to its end
_DUE = "due"  # a thought: a suggestion may be made again
_SOON_S = 60.0  # before a session ends by itself it says so


class Mind(Protocol):
    """Understands what is heard, and suggests; `core.live.mind.LiveMind` is one."""

    async def take(self, heard: Heard) -> list[wire.Event]:
        """Partial, stable and final text, in its order."""
        ...

    def due_s(self) -> float | None:
        """When `remind` has something to say, in seconds of the sound; None: nothing waits."""
        ...

    async def remind(self, at_s: float) -> list[wire.Event]: ...

    async def ask(self, text: str | None, at_s: float) -> list[wire.Event]: ...

    async def feedback(self, feedback: wire.Feedback) -> None: ...

    def state(self) -> dict[str, Any]:
        """As JSON: what another needs to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Making:
    """What a session is made of. `ear` and `mind` are asked once for each that is taken. `is_full`: what hears them all
    is as busy as it may be. `warm`: loads what the first would wait for."""

    ear: Callable[[Facts, Callable[[], int]], Awaitable[MakeEar]]
    mind: Callable[[Facts, Mapping[str, Any] | None], Awaitable[Mind]]
    recording: Callable[[Facts, int], Recording]
    end: Callable[[Facts, Recording, str, dict[str, Any]], Awaitable[tuple[Any, str | None]]]
    is_full: Callable[[], bool] = lambda: False
    warm: Callable[[], Awaitable[None]] | None = None


class Overtaken(Conflict):
    """Somebody else holds the session by now."""


class Keeper:
    """`behind_s`: how old the sound was that was heard last, once it was heard."""

    def __init__(
        self, facts: Facts, token: str, store: LiveStore, making: Making, settings: LiveSettings, clock: Clock,
        pressure: Callable[[], int],
    ) -> None:  # fmt: skip
        self._facts, self._token, self._store = facts, token, store
        self._making, self._settings, self._clock, self._pressure = making, settings, clock, pressure
        self._cursor = "0-0"
        self._written = 0
        self._ending: str | None = None
        self._again = np.zeros((len(facts.channels), 0), np.float32)  # of utterances in hand that another had heard
        self._after = 0  # the last event that was understood
        self._reminded_s = 0.0
        self._warned: set[str] = set()
        self._thoughts: asyncio.Queue[tuple[int, Any] | None] = asyncio.Queue()
        self.behind_s = 0.0

    async def run(self) -> None:
        """Until the session is over. Raises `Overtaken`."""
        kept = await self._store.kept(self._facts.session)
        if OVER in kept.states:  # whoever said so died before he could forget it
            await self._store.forget(self._facts.session)
            return
        await self._begin(kept)
        thinking = asyncio.create_task(self._think())
        try:
            while self._ending is None:
                sent = await self._store.sent(self._facts.session, self._cursor, wait_s=_WAIT_S)
                await (self._take(sent) if sent or self._again.size else self._idle())
                self._remind()
                await self._settle()
            self._thoughts.put_nowait(None)
            async with asyncio.timeout(_MIND_S):
                await asyncio.shield(thinking)
        except TimeoutError:
            log.warning("live_mind_left_behind", session=str(self._facts.session))
        finally:
            thinking.cancel()
            await asyncio.gather(thinking, return_exceptions=True)
        await self._end(self._ending)

    async def give_up(self) -> None:
        """It cannot be kept going: what was recorded of it becomes a call all the same."""
        kept = await self._store.kept(self._facts.session)
        state = kept.states.get(HEARING)
        self._session = LiveSession(self._facts.channels, lambda side, place: Deaf())
        self._recording = self._making.recording(self._facts, state["settled"] if state else 0)
        self._ending = "failed"
        self._cursor = "+"
        await self._hear_again()
        await self._end(self._ending)

    # ── taking over ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, kept: Kept) -> None:
        facts, state = self._facts, kept.states.get(HEARING)
        make_ear = await self._making.ear(facts, self._pressure)
        mind = kept.states.get(MIND)
        self._mind = await self._making.mind(facts, mind["mind"] if mind else None)
        self._recording = self._making.recording(facts, state["settled"] if state else 0)
        if state is None:
            self._intake = Intake(facts.form)
            self._session = LiveSession(facts.channels, make_ear)
            started = wire.SessionStarted(
                at_s=0, session=facts.session, language=facts.language, channels=list(facts.channels),
                resumable_s=self._settings.resumable_s,
            )  # fmt: skip
            await self._say([started])
        else:
            self._session = LiveSession.resumed(facts.channels, make_ear, state)
            self._cursor, self._ending = state["cursor"], state["ending"]
            await self._hear_again()
        self._after = mind["after"] if mind else 0
        for event in await self._since(self._after, kept.event):
            self._ponder(event["number"], event)

    async def _hear_again(self) -> None:
        """What is kept of the sound up to the cursor: for the recording, and for the ears, from where each is. They
        hear it together with what has come since: to decode twice takes too long."""
        sent = [one for one in await self._store.again(self._facts.session, self._cursor) if one.kind == "audio"]
        self._intake = Intake(self._facts.form, at=sent[0].at if sent else 0)
        begin = self._intake.position
        parts = [self._intake.take(one.payload) for one in sent]
        sound = np.concatenate(parts, axis=1) if parts else np.zeros((len(self._facts.channels), 0), np.float32)
        self._recording.add(sound[:, max(0, self._recording.settled - begin) :])
        if self._ending is None:
            self._again = sound[:, max(0, self._session.needed - begin) :]

    async def _since(self, after: int, up_to: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while after < up_to:
            more = await self._store.events(self._facts.session, after, wait_s=0.01)
            if not more:
                break
            found += more
            after = more[-1]["number"]
        return found

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _take(self, sent: Sequence[Sent]) -> None:
        events: list[wire.Event] = []
        parts = [self._again[:, :0]]
        for one in sent:
            if one.kind == "audio":
                parts.append(self._intake.take(one.payload))
            elif one.kind == "end":
                self._ending = wire.reason_of(one.payload)
            else:
                self._thoughts.put_nowait((0, one))
        if self._ending is not None:
            parts.append(self._intake.finish())
        fresh = np.concatenate(parts, axis=1)
        self._recording.add(fresh)
        again, self._again = self._again, self._again[:, :0]
        events += await self._session.hear(np.concatenate([again, fresh], axis=1))
        if self._ending is not None:
            events += await self._session.finish()
        if sent:
            self._cursor = sent[-1].id
            self.behind_s = max(0.0, self._clock.now().timestamp() - int(sent[-1].id.split("-")[0]) / 1000)
        events += self._warnings()
        if events or self._ending or self._session.heard - self._written >= _STATE_EVERY:
            await self._say(events)

    def _remind(self) -> None:
        """A suggestion that had to wait does not wait for somebody to speak."""
        due_s = self._mind.due_s()
        if due_s is not None and self._reminded_s < due_s <= self._session.at_s:
            self._reminded_s = due_s
            self._thoughts.put_nowait((0, _DUE))

    def _warnings(self) -> list[wire.Event]:
        found = []
        if self._intake.damaged:
            found.append(("damaged_audio", "Some Opus packets cannot be decoded; they are taken as silence."))
        if self._pressure() > 0:
            found.append(("behind", "Much is going on: text comes later, and less of it before it is final."))
        if self._session.at_s > self._settings.most_s - _SOON_S:
            found.append(("ending_soon", "A session has its longest time; this one ends in a minute."))
        fresh = [(code, detail) for code, detail in found if code not in self._warned]
        self._warned |= {code for code, _ in fresh}
        return [wire.Warned.model_validate({"at_s": self._at_s, "code": c, "detail": d}) for c, d in fresh]

    async def _idle(self) -> None:
        """Nothing comes: is anybody there?"""
        if not await self._store.has_client(self._facts.session):
            await self._close("client_gone")

    async def _close(self, reason: str) -> None:
        await self._store.note(self._facts.session, "end", {"reason": reason}, closes=True)

    async def _settle(self) -> None:
        """Sound that nobody needs any more leaves the store; a little before it stays, for filters to warm up on."""
        if self._session.at_s > self._settings.most_s and self._ending is None:
            await self._close("too_long")
        until = self._session.needed
        if until - self._recording.settled < self._settings.settle_s * SAMPLE_RATE_HZ:
            return
        await self._recording.settle(until)
        await self._say([])
        warm_from = (until / SAMPLE_RATE_HZ - WARM_S) * self._facts.sample_rate_hz
        older = [s for s in await self._store.again(self._facts.session, self._cursor) if s.kind == "audio"]
        begin = next((one.id for one in reversed(older) if one.at <= warm_from), None)
        if begin is not None:
            await self._store.drop_before(self._facts.session, begin)

    async def _say(self, events: Sequence[wire.Event]) -> None:
        state = {
            **self._session.state(), "cursor": self._cursor, "settled": self._recording.settled, "ending": self._ending,
        }  # fmt: skip
        last = await self._say_with(events, (HEARING, state))
        self._written = self._session.heard
        for number, event in enumerate(events, start=last - len(events) + 1):
            self._ponder(number, event.model_dump(mode="json"))

    async def _say_with(self, events: Sequence[wire.Event], state: tuple[str, Any]) -> int:
        said = [event.model_dump(mode="json", exclude={"number"}) for event in events]
        last = await self._store.say(self._facts.session, self._token, said, state=state)
        if last is None:
            raise Overtaken("Another host holds this session.")
        return last

    # ── understanding ────────────────────────────────────────────────────────────────────────────────────────────────

    def _ponder(self, number: int, event: Mapping[str, Any]) -> None:
        if event["type"] in ("partial", "stable", "final"):
            self._thoughts.put_nowait((number, heard_of(event)))

    async def _think(self) -> None:
        while (thought := await self._thoughts.get()) is not None:
            number, what = thought
            if isinstance(what, Heard) and what.kind != "final" and self._newer(what):
                continue
            try:
                events = await self._understood(what)
            except SalesEdgeError as error:
                log.warning("live_mind_failed", session=str(self._facts.session), error=type(error).__name__)
                events = self._speechless()
            self._after = max(self._after, number)
            try:
                await self._say_with(events, (MIND, {"after": self._after, "mind": self._mind.state()}))
            except Overtaken:
                return

    def _newer(self, heard: Heard) -> bool:
        """More of the same utterance waits behind it, and makes up for it: a partial does not tell what is stable."""
        waiting = [what for _, what in filter(None, self._thoughts._queue)]  # type: ignore[attr-defined]
        return any(
            isinstance(w, Heard)
            and (w.side, w.utterance) == (heard.side, heard.utterance)
            and (w.kind != "partial" or heard.kind == "partial")
            for w in waiting
        )

    async def _understood(self, what: Any) -> list[wire.Event]:
        if isinstance(what, Heard):
            return await self._mind.take(what)
        if what is _DUE:
            return await self._mind.remind(self._at_s)
        if what.kind == "ask":
            return await self._mind.ask(wire.asked(what.payload), self._at_s)
        await self._mind.feedback(wire.Feedback.model_validate_json(what.payload))
        return []

    def _speechless(self) -> list[wire.Event]:
        if "no_answer" in self._warned:
            return []
        self._warned.add("no_answer")
        detail = "Suggestions do not come just now; hearing goes on."
        return [wire.Warned(at_s=self._at_s, code="no_answer", detail=detail)]

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _end(self, reason: str | None) -> None:
        metrics = {
            name: {side.value: v for side, v in of.items()} for name, of in self._session.talk.measured().items()
        }
        call_id, detail = await self._making.end(self._facts, self._recording, reason or "ended", metrics)
        duration_s = round(self._recording.length / SAMPLE_RATE_HZ, 3)
        ended = wire.SessionEnded.model_validate({
            "at_s": duration_s, "reason": reason, "duration_s": duration_s, "call_id": call_id, "detail": detail,
        })  # fmt: skip
        await self._say_with([ended], (OVER, True))
        await self._store.forget(self._facts.session)

    @property
    def _at_s(self) -> float:
        return round(self._session.at_s, 3)


class Deaf:
    """An ear that hears nothing."""

    async def hear(self, samples: Any) -> list[Heard]:
        return []

    async def finish(self) -> list[Heard]:
        return []

    def position(self) -> int:
        return 0


def heard_of(event: Mapping[str, Any]) -> Heard:
    """A partial, stable or final event, as it was heard."""
    words = tuple(Word(**word) for word in event.get("words", ()))
    return Heard(event["type"], Side(event["side"]), event["utterance"], event["text"], words, event["at_s"])
