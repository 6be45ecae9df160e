"""What is known of an account in numbers, and how a grouping reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

NAMES = (
    "deals", "deals_open", "win_share", "log_value", "cycle_days", "touches_per_deal", "inbound_share",
    "meetings_per_deal", "calls_per_deal", "mood", "objections_per_deal", "competitors_per_deal", "days_since_contact",
)  # fmt: skip
_SKEWED = frozenset(NAMES) - {"win_share", "log_value", "inbound_share", "mood"}
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Known:
    """One account that has deals. `values`: each of `NAMES`, None where nothing is known of it."""

    account_id: UUID
    values: Mapping[str, float | None]
    won: int
    closed: int


def known(row: Mapping[str, Any], at: datetime) -> Known:
    """From the sums of one account's deals and contacts (`repository`)."""
    deals, won, lost = int(row["deals"]), int(row["won"]), int(row["lost"])
    touches = int(row["touches"] or 0)
    each = {f"{name}_per_deal": float(row[name] or 0) / deals for name in ("meetings", "calls")}
    heard = {
        f"{name}_per_deal": float(row[name]) / deals if touches else None for name in ("objections", "competitors")
    }
    values: dict[str, float | None] = {
        "deals": float(deals), "deals_open": float(row["open"]),
        # Laplace's rule: one deal won is no proof that all are.
        "win_share": (won + 1) / (won + lost + 2) if won + lost else None,
        "log_value": float(row["log_value"]),
        "cycle_days": max(0.0, float(row["cycle_s"]) / _DAY_S) if row["cycle_s"] is not None else None,
        "touches_per_deal": touches / deals, "inbound_share": int(row["inbound"]) / touches if touches else None,
        **each, "mood": float(row["mood"]) if row["mood"] is not None else None, **heard,
        "days_since_contact": (at - row["last_at"]).total_seconds() / _DAY_S if row["last_at"] else None,
    }  # fmt: skip
    return Known(row["account_id"], {name: values[name] for name in NAMES}, won, won + lost)


def read(values: Mapping[str, Any]) -> dict[str, float | None]:
    """As a grouping compares them: twice as many count the same among few as among many."""
    return {
        name: math.log1p(value) if (value := values.get(name)) is not None and name in _SKEWED else value
        for name in NAMES
    }
