"""Hearing and understanding by rules that a test can foresee."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.kit.ids import new_id
from core.live import wire
from core.live.facts import Facts
from core.live.heard import Heard, Side, Word
from core.live.session import MakeEar, Place

BLOCK = 1_600  # 100 ms
_END_BLOCKS = 5
AGAIN_S, AGAIN = 2.0, "about the same"


class FakeEar:
    """Hears a word in each half second of sound that is not silence; half a second of silence ends an utterance. Words
    are named for where they begin, in tenths of a second."""

    def __init__(self, side: Side, place: Place) -> None:
        self._side = side
        self._held = np.zeros(0, np.float32)
        self._at = place.sample
        self._utterance = place.utterance
        self._begin: int | None = place.sample if place.stable else None
        self._words: list[Word] = []
        self._silent = self._loud = 0

    async def hear(self, samples: NDArray[np.float32]) -> list[Heard]:
        self._held = np.concatenate([self._held, samples])
        said: list[Heard] = []
        while len(self._held) >= BLOCK:
            block, self._held = self._held[:BLOCK], self._held[BLOCK:]
            said += self._block(bool(np.max(np.abs(block)) > 0.01))
        return said

    async def finish(self) -> list[Heard]:
        return self._final() if self._begin is not None else []

    def position(self) -> int:
        return self._at if self._begin is None else self._begin

    def _block(self, loud: bool) -> list[Heard]:
        said = []
        if loud and self._begin is None:
            self._begin = self._at
            said.append(self._heard("speech_started"))
        self._at += BLOCK
        if self._begin is None:
            return said
        self._silent = 0 if loud else self._silent + 1
        self._loud += loud
        if loud and self._loud % 5 == 0:
            end = self._at // BLOCK
            self._words.append(Word(f"w{end - 5}", (end - 5) / 10, end / 10, 0.9))
            said.append(self._heard("stable"))
        elif loud and self._loud % 2 == 0:
            said.append(Heard("partial", self._side, self._utterance, "…", (), self._at / 16_000))
        return said + (self._final() if self._silent == _END_BLOCKS else [])

    def _final(self) -> list[Heard]:
        said = [self._heard("final")]
        self._utterance += 1
        self._begin, self._words, self._silent, self._loud = None, [], 0, 0
        return said

    def _heard(self, kind: Any) -> Heard:
        text = " ".join(word.text for word in self._words)
        return Heard(kind, self._side, self._utterance, text, tuple(self._words), self._at / 16_000)


class FakeMind:
    """Suggests what was just said in each final, and again two seconds later; counts what it took."""

    def __init__(self, state: Mapping[str, Any] | None) -> None:
        self.taken: list[str] = list(state["taken"]) if state else []
        self._due_s: float | None = None

    async def take(self, heard: Heard) -> list[wire.Event]:
        self.taken.append(f"{heard.side}:{heard.utterance}:{heard.kind}")
        if heard.kind != "final":
            return []
        self._due_s = heard.at_s + AGAIN_S
        return [self._suggestion(heard.text, heard.at_s)]

    def due_s(self) -> float | None:
        return self._due_s

    async def remind(self, at_s: float) -> list[wire.Event]:
        self._due_s = None
        return [self._suggestion("the same", at_s)]

    async def ask(self, text: str | None, at_s: float) -> list[wire.Event]:
        return [self._suggestion(text or "anything", at_s, asked=True)]

    async def feedback(self, feedback: wire.Feedback) -> None:
        self.taken.append(f"feedback:{feedback.verdict}")

    def state(self) -> dict[str, Any]:
        return {"taken": self.taken}

    def _suggestion(self, text: str, at_s: float, *, asked: bool = False) -> wire.Suggestion:
        return wire.Suggestion(
            at_s=at_s, id=new_id(), kind="technique", text=f"about {text}", source="fake", confidence=0.9, asked=asked
        )


async def fake_ear(facts: Facts, pressure: Callable[[], int]) -> MakeEar:
    return FakeEar


async def fake_mind(facts: Facts, state: Mapping[str, Any] | None) -> FakeMind:
    return FakeMind(state)
