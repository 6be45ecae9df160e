"""Made-up pipelines, for tests of what is added up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import Odds, Position

AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
PERIOD = Period(date(2026, 11, 1), 6, ZoneInfo("America/Sao_Paulo"))


def odds(probability: float, low: int = 10, middle: int = 30, high: int = 80, *, made_days_ago: int = 0) -> Odds:
    """Days of closing from the day of the forecast on."""
    made = AT - timedelta(days=made_days_ago)
    day = [made.date() + timedelta(days=days) for days in (low, middle, high)]
    return Odds(UUID(int=1), made, probability, *day, "forecasting", "1")


def position(number: int, **fields: Any) -> Position:
    """An open deal; `number` makes its id."""
    mixed = random.Random(number).getrandbits(64)
    start = Position(
        deal_id=UUID(int=(number << 64) | mixed), name=f"deal {number}", owner_id=UUID(int=number % 3 + 1),
        stage="proposal", team=f"team {number % 2}", segment=None, region=None, currency="BRL", value_cents=1_000_00,
        opened_at=AT - timedelta(days=50), outcome=None, closed_at=None, odds=odds(0.4),
    )  # fmt: skip
    return replace(start, **fields)


def pipeline(seed: int, count: int, *, currencies: Sequence[str] = ("BRL",)) -> list[Position]:
    rng = random.Random(seed)
    return [
        position(
            seed * 1_000_000 + number,
            owner_id=UUID(int=rng.randrange(4) + 1),
            team=rng.choice(("north", "south", None)),
            segment=rng.choice(("smb", "enterprise", None)),
            region=rng.choice(("sul", "norte")),
            currency=rng.choice(currencies),
            value_cents=round(rng.lognormvariate(10, 0.8)) * 100,
            odds=odds(rng.betavariate(2, 3), rng.randrange(1, 20), rng.randrange(20, 70), rng.randrange(70, 200)),
        )
        for number in range(count)
    ]
