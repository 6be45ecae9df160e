"""Why the expected value of a period differs between two moments: every deal's part in it, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import Dimension, Position
from core.forecasting.rollup.roll_up import chances_cents, expected_cents, open_deals
from core.forecasting.rollup.timing import WinTiming
from core.forecasting.rollup.to_come import to_come


@dataclass(frozen=True, slots=True)
class State:
    """A deal at one moment: what it brings to the period, and its odds to close inside of it where it is open."""

    position: Position
    cents: int
    inside: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What one deal did to the figure. `parts`: kind → cents; a kind may be there with nothing."""

    before: State | None
    after: State | None
    parts: dict[str, int]

    @property
    def position(self) -> Position:
        state = self.after or self.before
        assert state is not None
        return state.position

    @property
    def cents(self) -> int:
        return sum(self.parts.values())


def states(positions: Sequence[Position], at: datetime, period: Period, timing: WinTiming) -> dict[UUID, State]:
    forecast = [p for p in positions if p.outcome is None and p.odds is not None]
    deals = open_deals(forecast, at, period, timing)
    found = {
        position.deal_id: State(position, int(cents), float(inside))
        for position, cents, inside in zip(
            forecast, expected_cents(deals).sum(axis=1), deals.odds.sum(axis=1), strict=True
        )
    }
    for position in positions:
        if position.deal_id not in found:
            inside = position.outcome == "won" and position.closed_at and period.place(position.closed_at) is not None
            found[position.deal_id] = State(position, position.value_cents if inside else 0, 1.0 if inside else 0.0)
    return found


def cents_to_come(outlook: Outlook, at: datetime, period: Period, group: tuple[Dimension, str, str]) -> int:
    """What is expected of deals that are not opened yet. `group`: dimension, key, currency."""
    by, key, currency = group
    chances = to_come(outlook.won, at, period, outlook.known_since)
    cents = chances_cents(outlook.won, chances)
    ours = [deal.key(by) == key and deal.currency == currency for deal in outlook.won]
    return sum(int(one) for source, one in zip(chances.source, cents, strict=True) if ours[source])


def effects(
    before: dict[UUID, State], after: dict[UUID, State], members: tuple[set[UUID], set[UUID]]
) -> list[Effect]:  # fmt: skip
    """`members`: deals of the group that is asked about, before and after. Only deals that did something, the largest
    first."""
    found = []
    for deal_id in members[0] | members[1]:
        was, now = before.get(deal_id), after.get(deal_id)
        if deal_id not in members[0] and was is not None:
            effect = Effect(None, now, {"entered": now.cents if now else 0})
        elif deal_id not in members[1]:
            effect = Effect(was, None, {"left": -was.cents if was else 0})
        else:
            effect = Effect(was, now, _parts(was, now))
        if any(effect.parts.values()) or set(effect.parts) & {"won", "lost", "won_elsewhere", "reopened"}:
            found.append(effect)
    return sorted(found, key=lambda effect: (-abs(effect.cents), effect.position.deal_id))


def _parts(was: State | None, now: State | None) -> dict[str, int]:
    assert now is not None
    if was is None:
        return {"new": now.cents}
    difference = now.cents - was.cents
    before, after = was.position, now.position
    if after.outcome != before.outcome:
        if after.outcome is None:
            return {"reopened": difference}
        if after.outcome == "lost":
            return {"lost": difference}
        return {"won" if now.inside else "won_elsewhere": difference}
    if after.outcome is not None:
        return {"value": difference}
    if before.odds is None or after.odds is None:
        return {"first_forecast": difference}
    return _of_open(was, now, difference)


def _of_open(was: State, now: State, difference: int) -> dict[str, int]:
    """Value, odds and timing multiply; each gets its mean share over all orders of changing them (Shapley, 1953)."""
    assert was.position.odds is not None
    assert now.position.odds is not None
    a = (was.position.value_cents * was.position.odds.worth, was.position.odds.probability, was.inside)
    b = (now.position.value_cents * now.position.odds.worth, now.position.odds.probability, now.inside)
    raw = []
    for one in range(3):
        x, y = (other for other in range(3) if other != one)
        rest = (a[x] * a[y] + b[x] * b[y]) / 3 + (a[x] * b[y] + b[x] * a[y]) / 6
        raw.append((b[one] - a[one]) * rest)
    parts = [round(part) for part in raw]
    # What rounding leaves over goes where it is least seen.
    parts[max(range(3), key=lambda one: abs(raw[one]))] += difference - sum(parts)
    names = ("value", "probability", "pulled_in" if parts[2] > 0 else "slipped")
    return {name: part for name, part in zip(names, parts, strict=True) if part}


def totals(found: Sequence[Effect]) -> dict[str, tuple[int, int]]:
    """Kind → cents and deals."""
    sums: dict[str, tuple[int, int]] = {}
    for effect in found:
        for kind, cents in effect.parts.items():
            before = sums.get(kind, (0, 0))
            sums[kind] = before[0] + cents, before[1] + 1
    return sums
