"""The leak guard over the product's own features: one that knows how deals ended keeps a version from being promoted.

Every feature is built as of its moment, so a leak comes by a mistake, or from a CRM in which something is filled in
once a deal has ended. It looks at the deals that are learnt from, never at those that measure: the older of them teach
small trees, the newer judge. A feature is named where
- it alone tells won from lost nearly always;
- it tells a lot alone, and more than all others together, by more than chance shows;
- it is empty or zero for one outcome and hardly ever for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.datascience.models import paired
from core.forecasting.features import NAMES, DealHistory
from training import recipes
from training.backtest.leaks import BOOSTER, MOST_ROWS, MUCH, NEARLY_ALWAYS, Leak
from training.moments import snapshots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_OF_EACH = 8
"""Won and lost deals among the judges, below which chance says what it likes."""
STRONG = 0.85
"""Higher than where the backtest warns: what is named here stands in a version's way."""
_TEACHING = 0.7
_CHANCE = 0.01


def in_deals(histories: Sequence[DealHistory]) -> list[Leak]:
    """Of closed and open deals, in any order."""
    recipe = recipes.forecasting()
    closed = sorted((h for h in histories if h.closed_at is not None), key=lambda h: h.closed_at or h.opened_at)
    learnt = closed[: round(len(closed) * (recipe.split.train + recipe.split.calibration))]
    if not learnt:
        return []
    rows = snapshots(learnt, every_days=recipe.snapshot_every_days)
    return suspects(rows.x[-MOST_ROWS:], rows.won[-MOST_ROWS:], rows.deal[-MOST_ROWS:], NAMES)


def suspects(x: NDArray[np.float32], won: Floats, deal: NDArray[np.int64], names: Sequence[str]) -> list[Leak]:
    """`x` (rows, names); `won`, `deal` (rows,), the deals numbered in the order of closing."""
    import numpy as np

    learn = deal < np.quantile(np.unique(deal), _TEACHING)
    judges = {outcome: len(np.unique(deal[~learn & (won == outcome)])) for outcome in (0, 1)}
    if min(judges.values()) < LEAST_OF_EACH or len(np.unique(won[learn])) < 2:
        return []
    found = []
    for column, name in enumerate(names):
        own = _said(x[:, [column]], won, learn)
        alone = paired.auc(won[~learn], own)
        why = _empty(x[:, column], won)
        if not why and alone >= NEARLY_ALWAYS:
            why = f"tells won from lost alone (AUC {alone:.2f})"
        if not why and alone >= STRONG:
            others = _said(np.delete(x, column, axis=1), won, learn)
            than = paired.delong(won[~learn], own, others, deal[~learn])
            if than.a > than.b + MUCH and than.p < _CHANCE:
                why = f"tells more alone (AUC {than.a:.2f}) than all other features together ({than.b:.2f})"
        if why:
            found.append(Leak(name, why, alone))
    return found


def _empty(values: NDArray[np.float32], won: Floats) -> str:
    import numpy as np

    empty = np.isnan(values) | (values == 0)
    shares = [float(empty[won == outcome].mean()) for outcome in (0, 1)]
    if max(shares) <= 0.9 or min(shares) >= 0.1:
        return ""
    outcome = "lost" if shares[0] > shares[1] else "won"
    return f"is empty or zero for {max(shares):.0%} of the {outcome} and {min(shares):.0%} of the others"


def _said(x: NDArray[np.float32], won: Floats, learn: NDArray[np.bool_]) -> Floats:
    """What 60 small trees say of the rows that did not teach them."""
    import lightgbm
    import numpy as np

    booster = lightgbm.train(BOOSTER, lightgbm.Dataset(x[learn], won[learn]), 60)
    return np.asarray(booster.predict(x[~learn], num_threads=1), np.float64)
