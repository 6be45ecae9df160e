"""When open deals close: a deal's own interval of days becomes odds for each month."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARES = (0.05, 0.45, 0.45)
"""Odds to close before the interval, in its first part and in its second; the rest comes after it."""
_LEAST_DAYS = 0.5
_LEAST_TAIL_DAYS = 7.0


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
