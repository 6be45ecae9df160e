"""One session: sound in, events out, and all that another must know to go on with it.

A plain class. It knows neither socket nor store: whoever holds it hands over samples in their order, keeps the events,
and keeps `state()` together with them. `LiveSession.resumed` goes on from such a state; it is given the sound again
from `needed` on, and says nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.live import wire
from core.live.heard import Heard
from core.live.talk import Talk
from core.ports import SAMPLE_RATE_HZ, Side, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONG_S = 120.0
"""A monologue of the seller's that is worth a word."""


class Ear(Protocol):
    """What hears one side; `core.live.hearing.Listener` is one."""

    async def hear(self, samples: NDArray[np.float32]) -> list[Heard]:
        """`samples`: float32 (samples,), mono, 16 kHz, as they come."""
        ...

    async def finish(self) -> list[Heard]:
        """There is no more sound: what is left of it."""
        ...

    def position(self) -> int:
        """The sample from which another must be fed to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a side is: the sample from which its ear must be fed, the utterance that begins there or is in hand, and
    what is agreed of it."""

    sample: int = 0
    utterance: int = 0
    stable: tuple[Word, ...] = ()


MakeEar = Callable[[Side, Place], Ear]


@dataclass(slots=True)
class _Told:
    """What was said of a side."""

    utterance: int = 0  # in hand, or next
    started: bool = False
    stable: tuple[Word, ...] = ()
    text: str = ""


@dataclass(slots=True)
class LiveSession:
    """`heard` samples of each side were handed over."""

    sides: Sequence[Side]
    make_ear: MakeEar
    ears: dict[Side, Ear] = field(default_factory=dict)
    places: dict[Side, Place] = field(default_factory=dict)
    told: dict[Side, _Told] = field(default_factory=dict)
    talk: Talk = field(default_factory=Talk)
    heard: int = 0
    warned: bool = False

    def __post_init__(self) -> None:
        for side in self.sides:
            place = self.places.setdefault(side, Place())
            self.told.setdefault(side, _Told(place.utterance))
            self.ears[side] = self.make_ear(side, place)

    @property
    def needed(self) -> int:
        """The first sample that somebody who goes on from here must be given."""
        return min(place.sample for place in self.places.values())

    async def hear(self, samples: NDArray[np.float32]) -> list[wire.Event]:
        """`samples`: float32 (channels, samples), 16 kHz, the next of each side, in the order of `sides`."""
        begin = self.heard
        self.heard += samples.shape[1]

        async def one(side: Side, mine: NDArray[np.float32]) -> list[Heard]:
            # Only after it went on from a state: each side from its own place.
            skip = max(0, self.places[side].sample - begin)
            return await self.ears[side].hear(mine[skip:]) if skip < len(mine) else []

        found = await asyncio.gather(*map(one, self.sides, samples))
        return self._said(found)

    async def finish(self) -> list[wire.Event]:
        """The sound is over."""
        return self._said(await asyncio.gather(*(self.ears[side].finish() for side in self.sides)))

    def _said(self, found: Sequence[Sequence[Heard]]) -> list[wire.Event]:
        events: list[wire.Event] = []
        for heard in sorted((one for of_side in found for one in of_side), key=lambda one: one.at_s):
            event = self._event(heard)
            if event is None:
                continue
            events.append(event)
            if heard.kind == "final":
                self.talk.add(heard)
                events += self._measured(heard)
        for side in self.sides:
            told = self.told[side]
            self.places[side] = Place(self.ears[side].position(), told.utterance, told.stable)
        return events

    def _event(self, heard: Heard) -> wire.Event | None:
        """None where that was said before."""
        told = self.told[heard.side]
        if heard.utterance < told.utterance:
            return None
        if heard.utterance > told.utterance:
            self.told[heard.side] = told = _Told(heard.utterance)
        where = {"at_s": round(heard.at_s, 3), "side": heard.side, "utterance": heard.utterance}
        if heard.kind == "speech_started":
            if told.started:
                return None
            told.started = True
            return wire.SpeechStarted(**where)
        if heard.kind == "partial":
            return wire.Partial(**where, text=heard.text)
        words = [wire.SpokenWord(**asdict(word)) for word in heard.words]
        if heard.kind == "stable":
            if len(heard.text) <= len(told.text):
                return None
            told.text, told.stable = heard.text, heard.words
            return wire.Stable(**where, text=heard.text, words=words)
        self.told[heard.side] = _Told(heard.utterance + 1)
        return wire.Final(**where, text=heard.text, words=words)

    def _measured(self, final: Heard) -> list[wire.Event]:
        at_s = round(final.at_s, 3)
        measured = self.talk.measured()
        events: list[wire.Event] = [wire.Metrics(at_s=at_s, **measured)]
        if not self.warned and measured["longest_monologue_s"].get(Side.SELLER, 0.0) >= LONG_S:
            self.warned = True
            detail = f"You have been talking for {LONG_S / 60:.0f} minutes without a break. Ask something."
            events.append(wire.Warned(at_s=at_s, code="monologue", detail=detail))
        return events

    # ── going on elsewhere ───────────────────────────────────────────────────────────────────────────────────────────

    def state(self) -> dict[str, Any]:
        """As JSON. True of the moment after the events that were returned last."""
        return {
            "heard": self.heard,
            "places": {side.value: asdict(place) for side, place in self.places.items()},
            "told": {side.value: [told.started, told.text] for side, told in self.told.items()},
            "talk": self.talk.state(),
            "warned": self.warned,
        }

    @classmethod
    def resumed(cls, sides: Sequence[Side], make_ear: MakeEar, state: Mapping[str, Any]) -> LiveSession:
        """Hand it the sound from `needed` on."""
        places = {
            Side(name): Place(given["sample"], given["utterance"], tuple(Word(**word) for word in given["stable"]))
            for name, given in state["places"].items()
        }
        told = {
            Side(name): _Told(places[Side(name)].utterance, started, places[Side(name)].stable, text)
            for name, (started, text) in state["told"].items()
        }
        found = cls(sides, make_ear, places=places, told=told, talk=Talk.of(state["talk"]), warned=state["warned"])
        found.heard = found.needed
        return found

    @property
    def at_s(self) -> float:
        return self.heard / SAMPLE_RATE_HZ
