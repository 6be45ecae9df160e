"""When a deal will end: a table by stage, learnt from deals that have ended and from those that go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.forecasting.features import NAMES
from training.moments import Snapshots
from training.survival import kaplan_meier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STAGES = 5
LEAST_ENDS = 20
"""Below it a stage takes the days of all."""
_DAY_S = 86_400


def table(data: Snapshots, hold: NDArray[np.bool_], *, fitted_at_s: float, held_at_s: float) -> dict[str, list[float]]:
    """By stage: days to the end of the deal, 5th, 50th and 95th percentile of all that was known at `held_at_s`, the
    ends moved apart by as much as what was known at `fitted_at_s` fell short on the newer deals of `hold`
    (conformalized quantile regression, Romano et al., 2019, arXiv:1905.03222; deals counted and not moments, and never
    narrower)."""
    import numpy as np

    stage = data.x[:, NAMES.index("stage")]
    found = {}
    for number in range(STAGES):
        here = stage == number
        low, _, high = quantiles(data, here, fitted_at_s)
        left, deals = data.days_left[hold & here], len(np.unique(data.deal[hold & here]))
        short = np.maximum(low - left, left - high)
        wider = max(0.0, float(np.quantile(short, min(1.0, 0.9 * (1 + 1 / deals))))) if deals else 0.0
        low, middle, high = quantiles(data, here, held_at_s)
        found[str(number)] = [round(v, 1) for v in (max(0.0, low - wider), middle, high + wider)]
    return found


def quantiles(data: Snapshots, here: NDArray[np.bool_], known_at_s: float) -> tuple[float, float, float]:
    """Of the days that deals have left, as far as it was known at that time: whatever had not ended then was open."""
    import numpy as np

    known = data.at_s < known_at_s
    ended = data.end_s <= known_at_s
    use = known & here if (known & here & ended).sum() >= LEAST_ENDS else known
    time = (np.minimum(data.end_s, known_at_s) - data.at_s)[use] / _DAY_S
    curve = kaplan_meier(time, ended[use])
    return curve.quantile(0.05), curve.quantile(0.5), curve.quantile(0.95)


def coverage(data: Snapshots, test: NDArray[np.bool_], days: Mapping[str, Sequence[float]]) -> float:
    """The share of moments whose deal really ended between the ends."""
    import numpy as np

    stage = data.x[test, NAMES.index("stage")].astype(int)
    low, high = (np.array([days[str(s)][place] for s in stage]) for place in (0, 2))
    return float(np.mean((data.days_left[test] >= low) & (data.days_left[test] <= high)))
