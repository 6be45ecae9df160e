"""Odds as they would have been told: each by a calibration that knew only the outcomes known before its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.datascience.models.calibration import Calibration, Following

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 150
"""How often, over all rows told of, the calibration is drawn anew."""


def follow(
    old: Calibration, margin: Floats, won: Floats, at: Floats, known: Floats, *, told: NDArray[np.bool_],
    steps: int = STEPS,
) -> Floats:  # fmt: skip
    """Probabilities of the rows in `told`, (told rows,); all rows (rows,) in order of `at`. Those not in `told` only
    teach, as soon as they are known."""
    import numpy as np

    places = np.flatnonzero(told)
    said = np.zeros(len(places))
    following = Following(old)
    by_known = np.argsort(known, kind="stable")
    taught = 0
    for block in np.array_split(places, min(steps, len(places))):
        ready = int(np.searchsorted(known[by_known], at[block[0]], side="left"))
        new = by_known[taught:ready]
        # What only teaches comes before all that is told; its rows are let in a part at a time, as they came in.
        for part in np.array_split(new, max(1, len(new) // 200)):
            following.seen(margin[part], won[part])
        taught = ready
        said[np.searchsorted(places, block)] = following.now().probability(margin[block])
    return said
