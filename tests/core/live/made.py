"""Sound and sessions for the tests of the live assistant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.kit.ids import new_id
from core.live import wire
from core.live.facts import Facts
from core.ports import Side
from tests.conftest import NOW

BOTH = (Side.SELLER, Side.CUSTOMER)


def talk(pattern: str, *, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """A tenth of a second for each letter: `#` is sound, `.` is silence. float32 (samples,)."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate_hz // 10) / rate_hz)
    parts = [tone if letter == "#" else np.zeros(rate_hz // 10) for letter in pattern]
    return np.concatenate([np.zeros(0), *parts]).astype(np.float32)


def pcm(*sides: NDArray[np.float32]) -> bytes:
    """Interleaved PCM16."""
    length = max(map(len, sides))
    whole = np.stack([np.pad(side, (0, length - len(side))) for side in sides])
    return np.round(whole * 32767).astype("<i2").T.tobytes()


def frames(sound: bytes, size: int) -> list[bytes]:
    return [sound[at : at + size] for at in range(0, len(sound), size)]


def facts(tenant_id: UUID | None = None, owner_id: UUID | None = None, **fields: Any) -> Facts:
    given: dict[str, Any] = {
        "session": new_id(), "tenant_id": tenant_id or new_id(), "owner_id": owner_id or new_id(), "deal_id": None,
        "language": "en", "encoding": "pcm16", "sample_rate_hz": 16_000, "channels": BOTH, "title": None,
        "participants": (), "started_at": NOW, **fields,
    }  # fmt: skip
    return Facts(**given)


def gist(events: list[wire.Event]) -> list[tuple[Any, ...]]:
    """What must be the same whatever happened on the way: everything but what may be taken back."""
    kept = [event for event in events if event.type != "partial"]  # type: ignore[attr-defined]
    return sorted((e.side, e.utterance, e.type, e.text if e.type != "speech_started" else "") for e in kept if e.type in ("speech_started", "stable", "final"))  # type: ignore[attr-defined] # fmt: skip # noqa: E501
