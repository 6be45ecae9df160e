"""Fakes for the ports: they do what the contract says, by the simplest rule that a test can foresee."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from core.datascience.predictions.fallback import base_rate
from core.gateways.mail import written
from core.gateways.objects import checked
from core.kit.errors import NotFound
from core.kit.events import Event
from core.ports import (
    SAMPLE_RATE_HZ,
    Agents,
    Brief,
    Emotion,
    Heard,
    Intention,
    Mail,
    Mood,
    Prediction,
    Question,
    Reason,
    Span,
    Text,
    Utterance,
    Word,
)
from core.ports_live import Hypothesis

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FakeTranscriber:
    """Hears one word a second of sound, numbered from the window's start."""

    async def transcribe(
        self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()
    ) -> Heard:
        seconds = max(1, len(pcm) // SAMPLE_RATE_HZ)
        words = tuple(Word(f"word{n}", n + 0.1, n + 0.9, 0.9) for n in range(seconds))
        text = " ".join(word.text for word in words)
        return Heard(language or "pt", 1.0, (Utterance(text, 0.1, seconds - 0.1, words, 0.9),), "fake")


class FakeStreamTranscriber:
    """Hears numbers: a stretch of at least `WORD` samples of the level n / 1000 is the word "n", a shorter one at the
    window's end something else each time it grows. What is agreed is kept, whatever was said."""

    WORD = 8 * 512

    def __init__(self) -> None:
        self.windows: list[int] = []  # samples of each that was asked for

    async def decode(
        self, window: NDArray[np.float32], *, language: str | None = None, prompt: str = "", agreed: str = "",
        draft: str = "", hints: Sequence[str] = (), urgent: bool = False,
    ) -> Hypothesis:  # fmt: skip
        self.windows.append(len(window))
        levels = np.rint(window * 1000).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
        words = [self._word(levels[a], a, b) for a, b in pairwise(edges) if a < b and levels[a]]
        said = agreed.split()
        kept = [replace(word, text=text) for word, text in zip(words, said, strict=False)]
        return Hypothesis(language or "pt", (*kept, *words[len(said) :]))

    def _word(self, level: int, begin: int, end: int) -> Word:
        text = str(level) if end - begin >= self.WORD else f"{level}~{end - begin}"
        return Word(text, begin / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, 0.9)


class FakeMeter:
    """Everything that is not silence is speech."""

    def share(self, block: NDArray[np.float32]) -> float:
        return float(np.abs(block).max() > 0.003)


class FakeDetector:
    """Everything that is not silence is speech."""

    def speech(self, pcm: NDArray[np.int16]) -> list[Span]:
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 100)
        return [Span(loud[0] / SAMPLE_RATE_HZ, (loud[-1] + 1) / SAMPLE_RATE_HZ)] if len(loud) else []


class FakeDiarizer:
    def label(self, pcm: NDArray[np.int16], spans: Sequence[Span]) -> list[int]:
        return [0 for _ in spans]


class FakeEmbedder:
    """The same text gives the same vector, other texts others."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
            rows.append(np.random.default_rng(seed).normal(size=8))
        found = np.array(rows, np.float32).reshape(-1, 8)
        result: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
        return result


class FakeSentiment:
    """Texts with "no" in them are objections in a bad mood."""

    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        bad = Mood(-0.6, 0.9, 0.6, Emotion.FRUSTRATION, 0.9, Intention.OBJECTION, 0.9)
        good = Mood(0.4, 0.9, 0.3, Emotion.TRUST, 0.9, Intention.INFORMATION, 0.9)
        return [bad if "no" in text.lower().split() else good for text in texts]


class FakePredictor:
    """The odds fall with every objection that is unanswered."""

    async def predict(
        self, tenant_id: UUID, rows: Sequence[Question], *, context: str = "forecast", source: str = "flow",
        strict: bool = False, what_if: bool = False,
    ) -> list[Prediction]:  # fmt: skip
        return [self._one(row.features) for row in rows]

    def _one(self, row: Mapping[str, float | None]) -> Prediction:
        open_ = row.get("unanswered_objections") or 0.0
        plain = base_rate(50, 50)
        p = max(0.1, plain.probability - 0.2 * open_)
        reasons = (Reason("unanswered_objections", row.get("unanswered_objections"), -open_),)
        return Prediction(p, p / 2, min(1, 2 * p), 30, 5, 90, reasons, "fake", "1", "tenant")


class FakeGenerator:
    async def write(self, brief: Brief) -> Text:
        return Text(
            f"{brief.kind}", "\n".join(fact.text for fact in brief.facts), "fake", tuple(f.name for f in brief.facts)
        )


class FakeHotValues:
    """Holds everything for ever; `away` is a server that does not answer."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes | None, bytes]] = {}  # key → (claim, value)
        self.away = False

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        found = [None if self.away else self.held.get(key) for key in keys]
        return [one[1] if one is not None and one[0] is None else None for one in found]

    async def lease(self, keys: Sequence[str]) -> bytes | None:
        return self._claim([key for key in keys if key not in self.held])

    async def claim(self, keys: Sequence[str]) -> bytes | None:
        return self._claim(keys)

    def _claim(self, keys: Sequence[str]) -> bytes | None:
        if self.away:
            return None
        claim = os.urandom(8)
        self.held.update(dict.fromkeys(keys, (claim, b"")))
        return claim

    async def fill(self, claim: bytes, values: Mapping[str, bytes]) -> None:
        mine = {key: (None, value) for key, value in values.items() if self.held.get(key, (None,))[0] == claim}
        self.held.update({} if self.away else mine)

    async def release(self, claim: bytes, keys: Sequence[str]) -> None:
        await self.drop([key for key in keys if self.held.get(key, (None,))[0] == claim])

    async def drop(self, keys: Sequence[str]) -> None:
        for key in [] if self.away else keys:
            self.held.pop(key, None)


class FakeObjects:
    """A dictionary with the manners of a store."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, key: str, data: Any) -> None:
        self._held[checked(key)] = data if isinstance(data, bytes) else data.read()

    async def get(self, key: str) -> bytes:
        if checked(key) not in self._held:
            raise NotFound("There is no such object.")
        return self._held[key]

    async def exists(self, key: str) -> bool:
        return checked(key) in self._held

    async def delete(self, key: str) -> None:
        self._held.pop(checked(key), None)

    async def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._held if key.startswith(prefix))


class FakeProgress:
    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self._now: dict[UUID, tuple[str, float]] = {}

    async def set(self, call_id: UUID, stage: str, share: float) -> None:
        self.seen.append((stage, share))
        self._now[call_id] = (stage, share)

    async def get(self, call_id: UUID) -> tuple[str, float] | None:
        return self._now.get(call_id)

    async def clear(self, call_id: UUID) -> None:
        self._now.pop(call_id, None)


class NoAgents(Agents):
    async def handle(self, event: Event) -> None:
        return None


class FakeMailer:
    """Keeps the mails that it was given."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> bool:
        written(mail, "salesedge@localhost")
        self.sent.append(mail)
        return True
