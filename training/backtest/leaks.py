"""The leak guard: columns that know how a deal ended. It warns and never decides: a person knows when one is filled in.

A column is named where, on rows newer than those that taught,
- it alone tells won from lost nearly always, or much better than all other columns together, or adds much to them;
- it is empty or zero for one outcome and hardly ever for the other: it is filled in at the end;
- the way a number is written (round or to the last digit) tells more than its size: two hands wrote it, at two times;
- its date lies after the moment at which the odds are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.backtest.columns import Deals
from training.backtest.encode import encode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEARLY_ALWAYS = 0.95
STRONG = 0.7
MUCH = 0.05
LATE_SHARE = 0.01
MOST_ROWS = 12_000
BOOSTER = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 40, "num_threads": 1,
    "verbosity": -1, "seed": 7, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leak:
    """`alone`: the AUC of the column by itself."""

    column: str
    why: str
    alone: float


def suspects(deals: Deals, cut: float) -> list[Leak]:
    """Looks at rows from before `cut` alone, the newest `MOST_ROWS` of them."""
    import numpy as np

    older = np.flatnonzero((deals.at < cut) & (deals.known < cut))[-MOST_ROWS:]
    middle = deals.at[older[int(len(older) * 0.7)]]
    learn, judge = older[deals.at[older] < middle], older[deals.at[older] >= middle]
    x, names = encode(deals, float(middle))
    owner = np.array([_column(name, deals) for name in names])
    everything = _auc(deals, x, learn, judge)
    found: list[Leak] = []
    for column in (*deals.categories, *deals.numbers, *deals.dates):
        mine = owner == column
        alone = _auc(deals, x[:, mine], learn, judge)
        # What counts rows that agree in everything rests on all columns, this one too.
        rest = _auc(deals, x[:, ~mine & (owner != "same")], learn, judge)
        if why := _why(deals, column, alone, rest, everything, older):
            found.append(Leak(column, why, alone))
    return found


def _why(deals: Deals, column: str, alone: float, rest: float, everything: float, older: NDArray[np.intp]) -> str:
    import numpy as np

    if column in deals.dates and np.mean(deals.dates[column][older] > deals.at[older] + 1) > LATE_SHARE:
        return "lies after the moment at which the odds are asked for"
    values = deals.numbers.get(column)
    if values is not None and (why := _written(values[older], deals.won[older])):
        return why
    if alone >= NEARLY_ALWAYS:
        return f"tells won from lost alone (AUC {alone:.2f})"
    if alone >= STRONG and alone > rest + MUCH:
        return f"tells more alone (AUC {alone:.2f}) than all other columns together ({rest:.2f})"
    if alone >= STRONG and everything - rest > MUCH:
        return f"adds much to all other columns: AUC {rest:.2f} without it, {everything:.2f} with it"
    return ""


def _written(values: Floats, won: Floats) -> str:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    empty = np.isnan(values) | (values == 0)
    shares = [float(empty[won == outcome].mean()) for outcome in (0, 1)]
    if max(shares) > 0.9 and min(shares) < 0.1:
        outcome = "lost" if shares[0] > shares[1] else "won"
        return f"is empty or zero for {max(shares):.0%} of the {outcome} and {min(shares):.0%} of the others"
    filled = ~empty
    if not 0 < won[filled].sum() < filled.sum():
        return ""
    round_ = _roundness(values[filled])
    tells, size = (roc_auc_score(won[filled], of) for of in (round_, values[filled]))
    tells, size = max(tells, 1 - tells), max(size, 1 - size)
    if tells > 0.6 and tells > size:
        return f"tells more by how round it is (AUC {tells:.2f}) than by its size ({size:.2f})"
    return ""


def _roundness(values: Floats) -> Floats:
    """How many zeros a number ends with; −1 where it has decimals."""
    import numpy as np

    found = np.where(values == np.round(values), 0.0, -1.0)
    for power in range(1, 7):
        found += (found >= 0) & (np.mod(values, 10**power) == 0)
    return found


def _column(name: str, deals: Deals) -> str:
    known = [*deals.categories, *deals.numbers, *deals.dates]
    return next(
        (c for c in sorted(known, key=len, reverse=True) if name == c or name.startswith((f"{c} · ", f"{c} = "))),
        "same",
    )


def _auc(deals: Deals, x: NDArray[np.float32], learn: NDArray[np.intp], judge: NDArray[np.intp]) -> float:
    """Of 60 small trees; one half where there is nothing to tell apart."""
    import lightgbm
    from sklearn.metrics import roc_auc_score

    if not x.shape[1] or len({*deals.won[learn]}) < 2 or len({*deals.won[judge]}) < 2:
        return 0.5
    booster = lightgbm.train(BOOSTER, lightgbm.Dataset(x[learn], deals.won[learn]), 60)
    return float(roc_auc_score(deals.won[judge], booster.predict(x[judge], num_threads=1)))
