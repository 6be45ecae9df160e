"""Who spoke last about a deal, and how long ago: pure, from its contacts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

_TALKS = ("call", "meeting")


class Contact(Protocol):
    """One activity of a deal, as its table has it."""

    id: UUID
    at: datetime
    kind: str
    direction: str
    call_id: UUID | None


@dataclass(frozen=True, slots=True)
class Contacts:
    """`last_at`: of either side. `unreplied_since`: when the customer had the last word, in writing or in a talk,
    and nobody wrote to him since; `wrote_last`: it was in writing. `call_id`: the last recorded call."""

    last_at: datetime | None = None
    unreplied_since: datetime | None = None
    wrote_last: bool = False
    call_id: UUID | None = None


def contacts(found: Iterable[Contact]) -> Contacts:
    told = sorted((one for one in found if one.kind != "note"), key=lambda one: (one.at, one.id))
    if not told:
        return Contacts()
    last = told[-1]
    wrote = last.direction == "in"
    calls = [one.call_id for one in told if one.call_id is not None]
    return Contacts(
        last_at=last.at, unreplied_since=last.at if wrote or last.kind in _TALKS else None, wrote_last=wrote,
        call_id=calls[-1] if calls else None,
    )  # fmt: skip
