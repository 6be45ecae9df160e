"""How long something still takes, where many have not ended yet: what is still going on counts for as long as it was
seen, and is neither left out nor taken to end today (Kaplan and Meier, 1958)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """The share that still goes on after `times`, both (ends,), falling; behind what was `seen` it falls at `rate`."""

    times: Floats
    alive: Floats
    seen: float
    rate: float

    def quantile(self, share: float) -> float:
        """By when `share` of all have ended."""
        import numpy as np

        left = 1 - share
        place = int(np.searchsorted(-self.alive, -left, side="left"))
        if place < len(self.times):
            return float(self.times[place])
        alive = float(self.alive[-1]) if len(self.alive) else 1.0
        return self.seen + math.log(alive / left) / self.rate if self.rate > 0 else math.inf


def kaplan_meier(time: Floats, ended: NDArray[np.bool_], weight: Floats | None = None) -> Curve:
    """`time`: until the end, or for how long it was seen without one; all (rows,)."""
    import numpy as np

    w = np.ones_like(time) if weight is None else weight
    order = np.argsort(time, kind="stable")
    t, e, w = time[order], ended[order], w[order]
    at_risk = w[::-1].cumsum()[::-1]
    times, first = np.unique(t, return_index=True)
    ends = np.add.reduceat(w * e, first) if len(t) else np.zeros(0)
    alive = np.cumprod(1 - ends / at_risk[first]) if len(t) else np.zeros(0)
    some, spent = ends > 0, float((w * t).sum())
    rate = float((w * e).sum()) / spent if spent > 0 else 0.0
    return Curve(times[some], np.maximum(alive[some], 0.0), float(times[-1]) if len(t) else 0.0, rate)
