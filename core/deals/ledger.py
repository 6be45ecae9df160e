"""What `repository.sales` says, for many moments at once: all deals are read once, and each answer is looked up."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.deals import repository
from core.deals.repository import Sold
from core.kit.db import Tx


@dataclass(slots=True)
class _Line:
    """One group's state after each moment at which it changed."""

    times: list[datetime] = field(default_factory=list)
    states: list[Mapping[str, Any]] = field(default_factory=list)


class Ledger:
    """Of all deals that who asks may see."""

    def __init__(self, deals: Sequence[Sold]) -> None:
        steps: defaultdict[tuple[str, UUID], list[tuple[datetime, int, Sold, str, int]]] = defaultdict(list)
        for deal in deals:
            for start, end, stage, value_cents, owner_id in _stretches(deal):
                groups = [("account", deal.account_id)] + ([("seller", owner_id)] if owner_id else [])
                for group in groups:
                    steps[group].append((start, 1, deal, stage, value_cents))
                    if end is not None:
                        steps[group].append((end, -1, deal, stage, value_cents))
        self._lines = {group: _line(found) for group, found in steps.items()}

    @classmethod
    async def read(cls, tx: Tx) -> Ledger:
        return cls(await repository.all_sold(tx))

    def sales(
        self, at: datetime, *, account_id: UUID | None = None, seller_id: UUID | None = None
    ) -> Mapping[str, Any]:
        """As `repository.sales`, of one account or one seller."""
        line = self._lines.get(("account", account_id) if account_id else ("seller", seller_id))  # type: ignore[arg-type]
        place = bisect_right(line.times, at) if line else 0
        return line.states[place - 1] if line and place else _state([0, 0, 0, 0, 0], [])


def _stretches(deal: Sold) -> Iterable[tuple[datetime, datetime | None, str, int, UUID | None]]:
    """(from, to, stage, value, owner) from when the deal was known on; `to` None: until today."""
    times = sorted({at for changes in deal.changes.values() for at, _ in changes if at > deal.known_at})
    for start, end in zip([deal.known_at, *times], [*times, None], strict=True):
        stage = str(_then(deal, "stage", start, deal.stage))
        value_cents = int(_then(deal, "value_cents", start, deal.value_cents))
        owner = _then(deal, "owner_id", start, deal.owner_id)
        yield start, end, stage, value_cents, UUID(str(owner)) if owner is not None else None


def _then(deal: Sold, name: str, at: datetime, now: Any) -> Any:
    """The first change after a moment says what it was then; where there is none, it was what it is."""
    changes = deal.changes.get(name, ())
    place = bisect_right([when for when, _ in changes], at)
    return changes[place][1] if place < len(changes) else now


def _line(steps: list[tuple[datetime, int, Sold, str, int]]) -> _Line:
    line, sums, opened = _Line(), [0, 0, 0, 0, 0], list[datetime]()
    for at, sign, deal, stage, value_cents in sorted(steps, key=lambda step: (step[0], -step[1])):
        kind = 1 if stage == "closed_won" else 2 if stage == "closed_lost" else 0
        sums[kind] += sign
        if kind < 2:
            sums[3 + kind] += sign * value_cents
        if sign > 0:
            insort(opened, deal.opened_at)
        else:
            opened.remove(deal.opened_at)
        if line.times and line.times[-1] == at:
            line.states[-1] = _state(sums, opened)
        else:
            line.times.append(at)
            line.states.append(_state(sums, opened))
    return line


def _state(sums: Sequence[int], opened: Sequence[datetime]) -> Mapping[str, Any]:
    return {
        "open": sums[0], "won": sums[1], "lost": sums[2], "open_cents": sums[3], "won_cents": sums[4],
        "first_at": opened[0] if opened else None,
    }  # fmt: skip
