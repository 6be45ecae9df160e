"""What one deal adds to the state of its pipeline. Pure: the same deal and zone give the same marks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from core.deals.rules import OPEN_STAGES, outcome

VERSION = 1
"""Of what marks mean. States of another version are added up anew."""

Kind = Literal["waiting", "touched", "opened", "due", "pushed", "won", "lost", "ahead", "behind", "back"]


class Mark(NamedTuple):
    """Where a number belongs. Open deals, each under the day that counts: `waiting` (came into its stage), `touched`
    (last sign of life), `opened`, `due` (expected to close), `pushed` (no day). Closed ones by month: `won`, `lost`.
    Stays in a stage that are over, by the month in which they began and their `length_days`: `ahead` (went on, or was
    won), `behind` (was lost), `back` (went to an earlier stage)."""

    owner_id: UUID | None
    team: str
    segment: str
    region: str
    currency: str
    stage: str
    kind: Kind
    day: date
    length_days: int

    @property
    def id(self) -> UUID:
        return UUID(bytes=hashlib.blake2b(repr(tuple(self)).encode(), digest_size=16).digest())


class Sums(NamedTuple):
    """`days`: of how long it took, or by how much it was put off."""

    deals: int
    cents: int
    days: int

    def __add__(self, other: Sums) -> Sums:  # type: ignore[override]
        return Sums(self.deals + other.deals, self.cents + other.cents, self.days + other.days)

    def __neg__(self) -> Sums:
        return Sums(-self.deals, -self.cents, -self.days)


NOTHING = Sums(0, 0, 0)
Marks = dict[Mark, Sums]


class Put(Protocol):
    def __call__(self, kind: Kind, day: date, sums: Sums, *, stage: str = "", length_days: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Trail:
    """A deal as health needs it. `stages`: (when, to which), oldest first. `dues`: what its expected day was changed
    to, oldest first, each with what it was before."""

    owner_id: UUID | None
    team: str | None
    segment: str | None
    region: str | None
    currency: str
    value_cents: int
    stage: str
    opened_at: datetime
    closed_at: datetime | None
    expected_close_on: date | None
    last_activity_at: datetime | None
    stages: Sequence[tuple[datetime, str]] = ()
    dues: Sequence[tuple[date | None, date | None]] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """In an open stage. `end`: None while it lasts."""

    stage: str
    begin: date
    end: date | None
    to: str | None


def marks(deal: Trail, zone: ZoneInfo) -> Marks:
    found: Marks = {}

    def put(kind: Kind, day: date, sums: Sums, *, stage: str = "", length_days: int = 0) -> None:
        group = (deal.owner_id, deal.team or "", deal.segment or "", deal.region or "", deal.currency)
        mark = Mark(*group, stage, kind, day, length_days)
        found[mark] = found.get(mark, NOTHING) + sums

    opened = _day(deal.opened_at, zone)
    stays = _stays(deal, zone)
    for stay in stays:
        if stay.end is not None and stay.to is not None:
            length = max(0, (stay.end - stay.begin).days)
            put(_end(stay), stay.begin.replace(day=1), Sums(1, 0, length), stage=stay.stage, length_days=length)
    if outcome(deal.stage) is None:
        _open(
            deal, opened, stays[-1].begin if stays else opened, _day(deal.last_activity_at or deal.opened_at, zone), put
        )
    elif deal.closed_at is not None:
        closed = _day(deal.closed_at, zone)
        took = Sums(1, deal.value_cents, max(0, (closed - opened).days))
        put("won" if outcome(deal.stage) == "won" else "lost", closed.replace(day=1), took)
    return found


def _open(deal: Trail, opened: date, entered: date, active: date, put: Put) -> None:
    one = Sums(1, deal.value_cents, 0)
    put("waiting", entered, one, stage=deal.stage)
    put("touched", max(opened, entered, active), one, stage=deal.stage)
    put("opened", opened, one, stage=deal.stage)
    if deal.expected_close_on is not None:
        put("due", deal.expected_close_on, one, stage=deal.stage)
    pushed_days = sum(max(0, (to - was).days) for was, to in deal.dues if was is not None and to is not None)
    if pushed_days:
        put("pushed", date.min, Sums(1, deal.value_cents, pushed_days), stage=deal.stage)


def _stays(deal: Trail, zone: ZoneInfo) -> list[Stay]:
    """Of each open stage that the deal was in, in order; the last one lasts where the deal is open."""
    moves = [(_day(at, zone), stage) for at, stage in deal.stages]
    if not moves:
        moves = [(_day(deal.opened_at, zone), deal.stage)]
    ends: list[tuple[date, str] | None] = [*moves[1:], None]
    return [
        Stay(stage, begin, end[0] if end else None, end[1] if end else None)
        for (begin, stage), end in zip(moves, ends, strict=True)
        if stage in OPEN_STAGES
    ]


def _end(stay: Stay) -> Kind:
    if stay.to == "closed_lost":
        return "behind"
    if stay.to in OPEN_STAGES and OPEN_STAGES.index(stay.to) < OPEN_STAGES.index(stay.stage):
        return "back"
    return "ahead"


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def difference(before: Mapping[Mark, Sums], after: Mapping[Mark, Sums]) -> Marks:
    """What to add to a state in which `before` counts, that `after` counts instead."""
    changed = {mark: after.get(mark, NOTHING) + -before.get(mark, NOTHING) for mark in {**before, **after}}
    return {mark: sums for mark, sums in changed.items() if sums != NOTHING}


def added(state: Mapping[Mark, Sums], change: Mapping[Mark, Sums]) -> Marks:
    """A state after a change: what is nothing any more is not in it."""
    both = {**state, **{mark: state.get(mark, NOTHING) + sums for mark, sums in change.items()}}
    return {mark: sums for mark, sums in both.items() if sums != NOTHING}


def total(deals: Iterable[Mapping[Mark, Sums]]) -> Marks:
    """The state of many deals."""
    state: Marks = {}
    for one in deals:
        count_in(state, one)
    return state


def count_in(state: Marks, deal: Mapping[Mark, Sums]) -> None:
    """Add the marks of one more deal to a state that is being made."""
    for mark, sums in deal.items():
        state[mark] = state.get(mark, NOTHING) + sums
