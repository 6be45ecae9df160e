"""How good probabilities were, in plain NumPy: the process that watches realised quality imports no scikit-learn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.datascience.models import paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ids = NDArray[np.int64]

_BINS = 10


def quality(won: Floats, said: Floats) -> dict[str, float]:
    """AUC, Brier, log loss, ECE, and at one half accuracy, recall, F1 and MCC. What cannot be told (an AUC without both
    outcomes) is left out: JSON has no word for it."""
    found = {
        "auc": paired.auc(won, said),
        "brier": float(paired.losses(won, said, "brier").mean()),
        "log_loss": float(paired.losses(won, said, "log_loss").mean()),
        "ece": ece(won, said),
        **_at_one_half(won > 0.5, said >= 0.5),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _at_one_half(won: NDArray[np.bool_], said: NDArray[np.bool_]) -> dict[str, float]:
    both, neither = float((won & said).sum()), float((~won & ~said).sum())
    wrongly_won, missed = float((~won & said).sum()), float((won & ~said).sum())
    root = math.sqrt((both + wrongly_won) * (both + missed) * (neither + wrongly_won) * (neither + missed))
    return {
        "accuracy": (both + neither) / len(won),
        "recall": both / (both + missed) if both + missed else math.nan,
        "f1": 2 * both / (2 * both + wrongly_won + missed) if both + wrongly_won + missed else 0.0,
        "mcc": (both * neither - wrongly_won * missed) / root if root else 0.0,
    }


def ece(won: Floats, said: Floats) -> float:
    """Expected calibration error over ten equal bins (Naeini et al., 2015)."""
    import numpy as np

    place = np.minimum((said * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(place, weights=won - said, minlength=_BINS)
    return float(np.abs(gap).sum() / len(won))


def ece_by_chance(won: Floats, said: Floats, deal: Ids | None = None, *, draws: int = 200, seed: int = 0) -> float:
    """The ECE that these very probabilities would show on average if they were true: few rows, and rows of one deal
    that share its outcome, always look somewhat uncalibrated."""
    import numpy as np

    rng = np.random.default_rng(seed)
    _, number = np.unique(np.arange(len(won)) if deal is None else deal, return_inverse=True)
    deals = int(number.max()) + 1
    return float(np.mean([ece((rng.random(deals)[number] < said).astype(float), said) for _ in range(draws)]))
