"""Add up a pipeline: what each group will have won in each month, with an interval that knows of the correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.periods import Period
from core.forecasting.rollup.pipeline import Dimension, Position
from core.forecasting.rollup.simulate import DRAWS, OpenDeals, simulate
from core.forecasting.rollup.timing import WinTiming, month_odds, win_odds
from core.forecasting.rollup.to_come import ToCome, fewer, to_come

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEVELS = (0.05, 0.10, 0.50, 0.90, 0.95)
_COUNT_LEVELS = (0.05, 0.50, 0.95)


@dataclass(frozen=True, slots=True)
class Figures:
    """Won so far, expected of open deals and of those to come, together. `low` to `high` holds the end nine times of
    ten; `p10` means that one time of ten it will be less."""

    won_cents: int
    won_count: int
    expected_open_cents: int
    expected_new_cents: int
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
    positions: Sequence[Position], at: datetime, period: Period, by: Dimension, outlook: Outlook
) -> list[Group]:
    """Groups of one currency each, by currency and key. Sums of disjoint groups are the sum of all, to the cent."""
    import numpy as np

    names = sorted({(p.currency, p.key(by)) for p in (*positions, *outlook.won)})
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
    again = np.array([number[p.currency, p.key(by)] for p in outlook.won], np.int64)
    ahead = _Ahead(
        (open_deals(forecast, at, period, outlook.timing), group_of),
        (to_come(outlook.won, at, period, outlook.known_since), again), len(names), outlook,
    )  # fmt: skip
    return [
        Group(key, currency, *ahead.figures(g, won_value[g], won_count[g]), *(int(n) for n in still_open[:, g]))
        for g, (currency, key) in enumerate(names)
        if still_open[0, g] or won_count[g].any() or ahead.brings(g)
    ]


def open_deals(forecast: Sequence[Position], at: datetime, period: Period, timing: WinTiming) -> OpenDeals:
    import numpy as np

    today = at.astimezone(period.zone).date().toordinal()
    edges = np.array([start.toordinal() for start in period.starts], np.int64)
    odds = month_odds(_forecast_days(forecast, period), today, edges)
    told = np.array([p.stage in timing.days for p in forecast], bool)
    if told.any():
        odds[told] = win_odds(
            np.array([timing.days[p.stage] for p in forecast if p.stage in timing.days]), today, edges
        )
    found = [p.odds for p in forecast if p.odds is not None]
    return OpenDeals(
        np.array([p.deal_id.int & (2**64 - 1) for p in forecast], np.uint64),
        np.array([one.probability for one in found], np.float64),
        np.rint([p.value_cents * one.worth for p, one in zip(forecast, found, strict=True)]).astype(np.int64), odds,
    )  # fmt: skip


def _forecast_days(forecast: Sequence[Position], period: Period) -> NDArray[np.int64]:
    import numpy as np

    days = [
        [d.toordinal() for d in (o.at.astimezone(period.zone).date(), o.close_on_low, o.close_on, o.close_on_high)]
        for o in (position.odds for position in forecast)
        if o is not None
    ]
    return np.array(days, np.int64).reshape(-1, 4)


def expected_cents(deals: OpenDeals) -> NDArray[np.int64]:
    """(deals, months), each rounded, so that every sum of them is exact."""
    import numpy as np

    return np.rint(deals.value_cents[:, None] * deals.probability[:, None] * deals.odds).astype(np.int64)


def chances_cents(won: Sequence[Position], chances: ToCome) -> NDArray[np.int64]:
    """(chances,), each rounded."""
    import numpy as np

    value = np.array([deal.value_cents for deal in won], np.int64)
    return np.rint(value[chances.source] * chances.probability).astype(np.int64)


class _Ahead:
    """What is open and what is to come, of all groups, expected and simulated at once."""

    def __init__(
        self, known: tuple[OpenDeals, NDArray[np.int64]], more: tuple[ToCome, NDArray[np.int64]], groups: int,
        outlook: Outlook,
    ) -> None:  # fmt: skip
        """`known`: open deals and their groups; `more`: what may come, and the groups of the deals won before."""
        import numpy as np

        (deals, group), (chances, again) = known, more
        months = deals.odds.shape[1]
        self._open = np.zeros((groups, months), np.int64)
        self._new = np.zeros((groups, months), np.int64)
        self._count = np.zeros((groups, months))
        np.add.at(self._open, group, expected_cents(deals))
        np.add.at(self._count, group, deals.probability[:, None] * deals.odds)
        place = (again[chances.source], chances.month)
        np.add.at(self._new, place, chances_cents(outlook.won, chances))
        np.add.at(self._count, place, chances.probability)
        few = fewer(chances)
        value = np.array([deal.value_cents for deal in outlook.won], np.int64)[few.source]
        both = OpenDeals(
            np.concatenate([deals.key, few.key]), np.concatenate([deals.probability, few.probability]),
            np.concatenate([deals.value_cents, value]), np.concatenate([deals.odds, np.eye(months)[few.month]]),
        )  # fmt: skip
        self._draws = simulate(both, np.concatenate([group, again[few.source]]), groups, outlook.correlation)

    def brings(self, group: int) -> bool:
        return bool(self._count[group].any())

    def figures(
        self, group: int, won_value: NDArray[np.int64], won_count: NDArray[np.int64]
    ) -> tuple[list[Figures], Figures]:
        value, count = self._draws.value[group], self._draws.count[group]
        months = [_figures(*self._told(group, m, won_value, won_count), value[m], count[m]) for m in range(len(value))]
        whole = slice(None)
        return months, _figures(*self._told(group, whole, won_value, won_count), value.sum(axis=0), count.sum(axis=0))

    def _told(
        self, group: int, months: int | slice, won_value: NDArray[np.int64], won_count: NDArray[np.int64]
    ) -> tuple[int, int, int, int, float]:
        return (
            int(won_value[months].sum()), int(won_count[months].sum()), int(self._open[group, months].sum()),
            int(self._new[group, months].sum()), float(self._count[group, months].sum()),
        )  # fmt: skip


def _figures(
    won_cents: int, won_count: int, open_cents: int, new_cents: int, expected_count: float, value: NDArray[np.float64],
    count: NDArray[np.float64],
) -> Figures:  # fmt: skip
    """`value` and `count`: (draws,), of what is ahead."""
    amounts = [won_cents + round(one) for one in _quantiles(value, _LEVELS)]
    counts = [won_count + round(one) for one in _quantiles(count, _COUNT_LEVELS)]
    return Figures(
        won_cents, won_count, open_cents, new_cents, won_cents + open_cents + new_cents,
        round(won_count + expected_count, 2), *amounts, *counts,
    )  # fmt: skip


def _quantiles(draws: NDArray[np.float64], levels: Sequence[float]) -> list[float]:
    """Values that were drawn, never ones between them: a single deal brings all or nothing."""
    import numpy as np

    places = [math.ceil(level * DRAWS) - 1 for level in levels]
    parted = np.partition(draws, places)
    return [float(parted[place]) for place in places]


def months_of(group: Group, period: Period) -> list[tuple[date | None, Figures]]:
    """The months by name, and all together under None."""
    return [*zip(period.starts, group.months, strict=False), (None, group.total)]
