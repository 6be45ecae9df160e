"""When open deals are won: odds for each month, from how long won deals took from the same stage on.

That is another question than when a deal ends: lost ones end sooner. Where a tenant has too few won deals to tell, the
forecast's own interval of days stands in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.deals.rules import OPEN_STAGES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_WON = 20
"""Won deals below which a stage tells nothing."""
_WEEK_DAYS = 7
_LEVELS = 41
_SHARES = (0.05, 0.45, 0.45)
"""Odds to close before the interval, in its first part and in its second; the rest comes after it."""
_LEAST_DAYS = 0.5
_LEAST_TAIL_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Lives:
    """Stretches of deals in one stage, arrays (stretches,): the deal's number, stage (place in `OPEN_STAGES`), first
    and last day there, the day on which the deal ended or is still open, and how: 1 won, 0 lost, -1 open."""

    deal: NDArray[np.int64]
    stage: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    ended: NDArray[np.int64]
    outcome: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WinTiming:
    """Stage → days to winning at even steps from the soonest to the latest, of deals that were won."""

    days: Mapping[str, tuple[float, ...]]

    def to_json(self) -> dict[str, list[float]]:
        return {stage: list(days) for stage, days in self.days.items()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> WinTiming:
        return cls({stage: tuple(days) for stage, days in raw.items()})


UNKNOWN = WinTiming({})


def learn(lives: Lives) -> WinTiming:
    """What was seen in every week of every life: the share that was won within so many days, among all that would be.

    A deal that is still open counts for as long as it was seen (Aalen and Johansen, 1978), so that slow wins are not
    missing from young tenants.
    """
    import numpy as np

    weeks = lives.end // _WEEK_DAYS - lives.begin // _WEEK_DAYS
    which = np.repeat(np.arange(len(weeks)), weeks)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(weeks) - weeks, weeks) + 1
    left = lives.ended[which] - (lives.begin[which] // _WEEK_DAYS + nth) * _WEEK_DAYS
    found = {}
    for number, stage in enumerate(OPEN_STAGES):
        here = (lives.stage[which] == number) & (left >= 0)
        deal, outcome = lives.deal[which][here], lives.outcome[which][here]
        if len(np.unique(deal[outcome == 1])) >= LEAST_WON:
            found[stage] = _days_to_win(left[here].astype(np.float64), outcome)
    return WinTiming(found)


def _days_to_win(left: NDArray[np.float64], outcome: NDArray[np.int64]) -> tuple[float, ...]:
    import numpy as np

    order = np.lexsort((outcome < 0, left))  # of one day, first those that ended
    left, outcome = left[order], outcome[order]
    at_risk = len(left) - np.arange(len(left))
    still = np.cumprod(1.0 - (outcome >= 0) / at_risk)
    before = np.concatenate([[1.0], still[:-1]])
    won = np.cumsum(np.where(outcome == 1, before / at_risk, 0.0))
    levels = np.linspace(0.0, 1.0, _LEVELS)
    places = np.minimum(np.searchsorted(won, levels * won[-1] * (1 - 1e-12)), len(left) - 1)
    return tuple(round(float(days), 1) for days in left[places])


def win_odds(days_to_win: NDArray[np.float64], today: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """`days_to_win` (deals, levels) → (deals, months): odds to be won in each, given that the deal is won.

    Whole days in the table: a level stands for its whole day, so it is spread from the morning to the evening.
    """
    import numpy as np

    until = (np.maximum(edges, today) - today).astype(np.float64)
    begin, end = days_to_win[:, :-1], days_to_win[:, 1:]
    below = np.empty((len(days_to_win), len(until)))
    for place, days in enumerate(until):
        below[:, place] = np.clip((days - begin) / (end + 1 - begin), 0.0, 1.0).mean(axis=1)
    return below[:, 1:] - below[:, :-1]


def month_odds(days: NDArray[np.int64], today: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """`days`: ordinals (deals, 4) of the forecast's day and of the low, middle and high day of closing; `edges`: first
    days of the months and of the one after. → (deals, months), odds to close in each, given that it did not so far.

    The middle is the median, the interval holds 90 %, each part evenly; what is later than its end fades away
    exponentially, so that a deal long overdue may still close in any month.
    """
    import numpy as np

    left = _log_survival(days, np.maximum(edges, today) - 0.5) - _log_survival(days, np.array([today - 0.5]))
    survival = np.exp(left)
    return survival[:, :-1] - survival[:, 1:]


def _log_survival(days: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(deals, moments): log of the odds that a deal is still open then."""
    import numpy as np

    knots = np.maximum.accumulate(days, axis=1).astype(np.float64)
    open_share = np.ones((len(days), len(at)))
    for share, begin, end in zip(_SHARES, knots.T[:-1], knots.T[1:], strict=True):
        width = np.maximum(end - begin, _LEAST_DAYS)
        open_share -= share * np.clip((at - begin[:, None]) / width[:, None], 0.0, 1.0)
    tail_days = np.maximum((knots[:, 3] - knots[:, 2]) / 2, _LEAST_TAIL_DAYS)
    late = np.maximum(0.0, at - knots[:, 3:] - _LEAST_DAYS) / tail_days[:, None]
    return np.log(np.maximum(open_share, 1 - sum(_SHARES))) - late
