"""Add up a pipeline: what each group will have won in each month, with an interval that knows of the correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import Dimension, Position
from core.forecasting.rollup.simulate import DRAWS, OpenDeals, simulate
from core.forecasting.rollup.timing import month_odds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEVELS = (0.05, 0.10, 0.50, 0.90, 0.95)
_COUNT_LEVELS = (0.05, 0.50, 0.95)


@dataclass(frozen=True, slots=True)
class Figures:
    """Won so far and expected to be won, together. `low` to `high` holds the end nine times of ten; `p10` means that
    one time of ten it will be less."""

    won_cents: int
    won_count: int
    expected_cents: int
    expected_count: float
    low_cents: int
    p10_cents: int
    p50_cents: int
    p90_cents: int
    high_cents: int
    count_low: int
    count_p50: int
    count_high: int


@dataclass(frozen=True, slots=True)
class Group:
    """`months` and `total` in the order of the period. `unknown`: open deals without a forecast, in no figure."""

    key: str
    currency: str
    months: list[Figures]
    total: Figures
    open_count: int
    open_cents: int
    unknown_count: int
    unknown_cents: int


def roll_up(
    positions: Sequence[Position], at: datetime, period: Period, by: Dimension, correlation: Correlation
) -> list[Group]:
    """Groups of one currency each, by currency and key. Sums of disjoint groups are the sum of all, to the cent."""
    import numpy as np

    names = sorted({(p.currency, p.key(by)) for p in positions})
    number = {name: place for place, name in enumerate(names)}
    won_value = np.zeros((len(names), period.months), np.int64)
    won_count = np.zeros((len(names), period.months), np.int64)
    still_open = np.zeros((4, len(names)), np.int64)  # count, cents; of those without a forecast: count, cents
    for position in positions:
        group = number[position.currency, position.key(by)]
        if position.outcome is None:
            still_open[:2, group] += 1, position.value_cents
            if position.odds is None:
                still_open[2:, group] += 1, position.value_cents
        elif position.outcome == "won" and position.closed_at is not None:
            month = period.place(position.closed_at)
            if month is not None:
                won_value[group, month] += position.value_cents
                won_count[group, month] += 1
    forecast = [p for p in positions if p.outcome is None and p.odds is not None]
    group_of = np.array([number[p.currency, p.key(by)] for p in forecast], np.int64)
    known = _Open(open_deals(forecast, at, period), group_of, len(names), correlation)
    return [
        Group(key, currency, *known.figures(g, won_value[g], won_count[g]), *(int(n) for n in still_open[:, g]))
        for g, (currency, key) in enumerate(names)
        if still_open[0, g] or won_count[g].any()
    ]


def open_deals(forecast: Sequence[Position], at: datetime, period: Period) -> OpenDeals:
    import numpy as np

    days, key, probability, value_cents = [], [], [], []
    for position in forecast:
        odds = position.odds
        assert odds is not None
        made_on = odds.at.astimezone(period.zone).date()
        days.append([d.toordinal() for d in (made_on, odds.close_on_low, odds.close_on, odds.close_on_high)])
        key.append(position.deal_id.int & (2**64 - 1))
        probability.append(odds.probability)
        value_cents.append(position.value_cents)
    today = at.astimezone(period.zone).date().toordinal()
    edges = np.array([start.toordinal() for start in period.starts], np.int64)
    return OpenDeals(
        np.array(key, np.uint64), np.array(probability, np.float64), np.array(value_cents, np.int64),
        month_odds(np.array(days, np.int64).reshape(-1, 4), today, edges),
    )  # fmt: skip


def expected_cents(deals: OpenDeals) -> NDArray[np.int64]:
    """(deals, months), each rounded, so that every sum of them is exact."""
    import numpy as np

    return np.rint(deals.value_cents[:, None] * deals.probability[:, None] * deals.odds).astype(np.int64)


class _Open:
    """The open deals of all groups, simulated at once."""

    def __init__(self, deals: OpenDeals, group: NDArray[np.int64], groups: int, correlation: Correlation) -> None:
        import numpy as np

        months = deals.odds.shape[1]
        self._value = np.zeros((groups, months), np.int64)
        self._count = np.zeros((groups, months))
        np.add.at(self._value, group, expected_cents(deals))
        np.add.at(self._count, group, deals.probability[:, None] * deals.odds)
        self._draws = simulate(deals, group, groups, correlation)

    def figures(
        self, group: int, won_value: NDArray[np.int64], won_count: NDArray[np.int64]
    ) -> tuple[list[Figures], Figures]:
        value, count = self._draws.value[group], self._draws.count[group]
        months = [
            _figures(
                int(won_value[m]), int(won_count[m]), int(self._value[group, m]), float(self._count[group, m]),
                value[m], count[m],
            )
            for m in range(len(won_value))
        ]  # fmt: skip
        total = _figures(
            int(won_value.sum()), int(won_count.sum()), int(self._value[group].sum()), float(self._count[group].sum()),
            value.sum(axis=0), count.sum(axis=0),
        )  # fmt: skip
        return months, total


def _figures(
    won_cents: int, won_count: int, expected_cents: int, expected_count: float, value: NDArray[np.float64],
    count: NDArray[np.float64],
) -> Figures:  # fmt: skip
    """`value` and `count`: (draws,), of what is still open."""
    amounts = [won_cents + round(one) for one in _quantiles(value, _LEVELS)]
    counts = [won_count + round(one) for one in _quantiles(count, _COUNT_LEVELS)]
    return Figures(
        won_cents, won_count, won_cents + expected_cents, round(won_count + expected_count, 2), *amounts, *counts
    )


def _quantiles(draws: NDArray[np.float64], levels: Sequence[float]) -> list[float]:
    """Values that were drawn, never ones between them: a single deal brings all or nothing."""
    import numpy as np

    places = [math.ceil(level * DRAWS) - 1 for level in levels]
    parted = np.partition(draws, places)
    return [float(parted[place]) for place in places]


def months_of(group: Group, period: Period) -> list[tuple[date | None, Figures]]:
    """The months by name, and all together under None."""
    return [*zip(period.starts, group.months, strict=False), (None, group.total)]
