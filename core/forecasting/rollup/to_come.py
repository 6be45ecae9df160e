"""Deals that are not opened yet: what a period brings beside today's pipeline, as the year before tells.

Seen from the same day of each of twelve months, some deals were won later that had not been opened then. Each of them
may come again as often as it came, one time in twelve. They are simulated beside the open ones, so what holds of groups
and intervals there holds of them. Growth and season are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from core.forecasting.rollup.periods import Period, add_months, moment
from core.forecasting.rollup.pipeline import Position

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOOKS = 12
LEAST_LOOKS = 3
"""Months of history below which nothing is said of what is to come."""
MOST = 8_000
"""Of more, a part that chance chose stands for all: their spread is told as well by fewer."""


@dataclass(frozen=True, slots=True)
class ToCome:
    """(chances,) each: the won deal that may come again, the month, its key, and how likely."""

    source: NDArray[np.int64]
    month: NDArray[np.int64]
    key: NDArray[np.uint64]
    probability: NDArray[np.float64]


def asked_since(at: datetime, period: Period) -> tuple[datetime, datetime]:
    """From when to when won deals teach: the twelve whole months before this one."""
    this_month = at.astimezone(period.zone).date().replace(day=1)
    return moment(add_months(this_month, -LOOKS), period.zone), moment(this_month, period.zone)


def to_come(won: Sequence[Position], at: datetime, period: Period, known_since: date | None) -> ToCome:
    """`won`: deals of `asked_since`. `known_since`: when the tenant's first deal was opened; None: not known."""
    import numpy as np

    today = at.astimezone(period.zone).date()
    ahead = _number(period.first) - _number(today)
    last = LOOKS + ahead + period.months
    looks = np.array([_back(today, months).toordinal() for months in range(max(0, last) + 1)])
    lags = np.arange(period.months) + ahead
    seen = np.array([_seen(looks, int(lag), known_since) for lag in lags])
    ago = np.array([_number(today) - _number(_day(deal.closed_at, period)) for deal in won], np.int64)
    opened = np.array([_day(deal.opened_at, period).toordinal() for deal in won], np.int64)
    look = np.clip(ago[:, None] + lags, 0, len(looks) - 1).astype(np.int64)
    again = (opened[:, None] > looks[look]) & (ago[:, None] >= 1) & (ago[:, None] <= LOOKS) & (seen >= LEAST_LOOKS)
    source, month = np.nonzero(again)
    own = np.array([deal.deal_id.int & (2**64 - 1) for deal in won], np.uint64)[source]
    key = own ^ (lags[month].astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return ToCome(source, month, key, 1.0 / np.maximum(seen, 1)[month])


def _seen(looks: NDArray[np.int64], lag: int, known_since: date | None) -> int:
    """From how many looks the month that lies `lag` months after them could be seen whole."""
    if known_since is None or lag < 0:
        return 0
    return int((looks[lag + 1 : lag + 1 + LOOKS] >= known_since.toordinal()).sum())


def fewer(chances: ToCome) -> ToCome:
    """At most about `MOST`; those that are kept are likelier, so that the mean stays where it was."""
    import numpy as np

    share = MOST / max(1, len(chances.key))
    if share >= 1:
        return chances
    share = max(share, float(chances.probability.max()))
    kept = (chances.key * np.uint64(0x9FB21C651E98DF25) >> np.uint64(11)).astype(np.float64) / 2**53 < share
    return ToCome(chances.source[kept], chances.month[kept], chances.key[kept], chances.probability[kept] / share)


def _back(day: date, months: int) -> date:
    month = add_months(day.replace(day=1), -min(months, _number(day) - _number(date.min)))
    last = (add_months(month, 1) - timedelta(days=1)).day
    return month.replace(day=min(day.day, last))


def _day(at: datetime | None, period: Period) -> date:
    assert at is not None
    return at.astimezone(period.zone).date()


def _number(day: date) -> int:
    return day.year * 12 + day.month
