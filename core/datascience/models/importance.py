"""How much each feature moves the odds on average: the mean absolute share, exact where the scorer's shares are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.datascience.models.bundle import unpack
from core.datascience.models.scorers import open_scorer

if TYPE_CHECKING:
    from core.datascience.models.scorers import Inputs


def importance(bundle: bytes, inputs: Inputs) -> dict[str, float]:
    """Column → mean |share| in log-odds before calibration, largest first."""
    import numpy as np

    scorer = open_scorer(unpack(bundle))
    mean = np.abs(scorer.contributions(inputs)[:, :-1]).mean(axis=0)
    found = zip(scorer.columns, mean.tolist(), strict=True)
    return dict(sorted(((name, round(value, 6)) for name, value in found), key=lambda pair: -pair[1]))
