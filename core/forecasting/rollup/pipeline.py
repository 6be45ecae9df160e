"""The pipeline as it stood at a moment: read back from deals, what changed since, and the forecasts made by then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from core.deals import rules as deals

Dimension = Literal["all", "seller", "team", "segment", "region"]
TRACKED = ("stage", "value_cents", "owner_id", "team", "segment", "region")
"""What a moment needs of a deal and the history holds."""


@dataclass(frozen=True, slots=True)
class Odds:
    """The forecast in force for one open deal."""

    id: UUID
    at: datetime
    probability: float
    close_on_low: date
    close_on: date
    close_on_high: date
    model: str
    version: str
    worth: float = 1.0  # of the deal's value, where it is won


@dataclass(frozen=True, slots=True)
class Position:
    """One deal at a moment. `outcome`: None while open. `odds`: None where it was not forecast by then."""

    deal_id: UUID
    name: str
    owner_id: UUID | None
    team: str | None
    segment: str | None
    region: str | None
    currency: str
    value_cents: int
    stage: str
    opened_at: datetime
    outcome: str | None
    closed_at: datetime | None
    odds: Odds | None

    def key(self, by: Dimension) -> str:
        """Its group; empty where it has none."""
        if by == "all":
            return ""
        return str(getattr(self, "owner_id" if by == "seller" else by) or "")


def as_of(
    at: datetime, rows: Iterable[Mapping[str, Any]], undone: Mapping[UUID, Mapping[str, Any]],
    closed_before: Mapping[UUID, datetime],
) -> list[Position]:  # fmt: skip
    """`rows`: deals as they are now, each with its forecast of the moment. `undone`: deal → field → what it was at the
    moment, where that changed since. `closed_before`: deal → its last closing by then, where its stage changed since.
    """
    found = []
    for row in rows:
        was = dict(row) | dict(undone.get(row["deal_id"], {}))
        owner_id = was["owner_id"]
        closed_at = closed_before.get(row["deal_id"]) if "stage" in undone.get(row["deal_id"], {}) else row["closed_at"]
        outcome = deals.outcome(was["stage"] or "")
        if outcome is None or closed_at is None or closed_at > at:
            outcome = closed_at = None
        odds = None if row["forecast_id"] is None else Odds(
            row["forecast_id"], row["forecast_at"], row["probability"], row["close_on_low"], row["expected_close_on"],
            row["close_on_high"], row["model"], row["version"], row["worth"],
        )  # fmt: skip
        found.append(
            Position(
                deal_id=row["deal_id"], name=row["name"], owner_id=UUID(str(owner_id)) if owner_id else None,
                team=was["team"], segment=was["segment"], region=was["region"], currency=row["currency"],
                value_cents=int(was["value_cents"]), stage=was["stage"] or "", opened_at=row["opened_at"],
                outcome=outcome, closed_at=closed_at, odds=odds,
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class StageMove:
    """A deal came into a stage; when and how the deal ended, where it did."""

    deal_id: UUID
    at: datetime
    stage: str
    closed_at: datetime | None
    outcome: str | None
