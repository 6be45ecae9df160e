"""A stacked ensemble: members that never saw what they are weighed on, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.datascience.models.calibration import pulled_logistic
from training.algorithms.table import Algorithm, Fitted, Table, TooFewOutcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ensemble:
    """Recipe: `members`, name of an algorithm → its recipe, and `folds`.

    The newer half of the rows is cut into `folds` stretches of time; each is predicted by members fitted on what was
    known before it began. A logistic curve over those margins, pulled to their plain mean and with no weight below
    zero, is the stack. Then every member is fitted on all rows.
    """

    def __init__(self, algorithms: Mapping[str, Algorithm]) -> None:
        self._algorithms = algorithms

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted:
        import numpy as np

        members = dict(how["members"])
        rows, margins = [], []
        for learn, judge in forward(table, how.get("folds", 4)):
            try:
                older = [self._algorithms[name].fit(table.take(learn), of) for name, of in members.items()]
            except TooFewOutcomes:
                continue
            newer = table.take(judge)
            rows.append(judge)
            margins.append(np.stack([self._algorithms[f.algorithm].margins(f, newer) for f in older], axis=1))
        place = np.concatenate(rows) if rows else np.zeros(0, np.intp)
        columns = np.concatenate(margins) if margins else np.zeros((0, len(members)))
        weights, shift = stack(columns, table.y[place], table.weight[place] / table.weight.mean())
        return self.joined([self._algorithms[name].fit(table, of) for name, of in members.items()], weights, shift)

    @staticmethod
    def joined(members: Sequence[Fitted], weights: Sequence[float], shift: float) -> Fitted:
        """One ensemble of models that are fitted already."""
        files = {f"{n}/{name}": data for n, member in enumerate(members) for name, data in member.files.items()}
        told = [{"folder": str(n), "algorithm": member.algorithm} for n, member in enumerate(members)]
        return Fitted("ensemble", files, {"members": told, "stack": {"weights": list(weights), "shift": shift}})

    def margins(self, fitted: Fitted, table: Table) -> NDArray[np.float64]:
        import numpy as np

        total = np.full(len(table.x), float(fitted.meta["stack"]["shift"]))
        for told, weight in zip(fitted.meta["members"], fitted.meta["stack"]["weights"], strict=True):
            prefix = f"{told['folder']}/"
            files = {name.removeprefix(prefix): data for name, data in fitted.files.items() if name.startswith(prefix)}
            total += weight * self._algorithms[told["algorithm"]].margins(Fitted(told["algorithm"], files), table)
        return total


def forward(table: Table, folds: int, *, since: float = 0.5) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Rolling origins: `learn` (rows,) bool, what was known when the stretch began, and `judge`, the places of the rows
    of the stretch. No moment of one time, and no deal, stands on both sides."""
    import numpy as np

    ordered = np.sort(table.at)
    ends = [
        ordered[min(len(ordered) - 1, round(len(ordered) * (since + (1 - since) * n / folds)))] for n in range(folds)
    ]
    for begin, end in zip(ends, [*ends[1:], np.inf], strict=True):
        judge = (table.at >= begin) & (table.at < end)
        learn = table.known_before(float(begin))
        if table.group is not None:
            learn &= ~np.isin(table.group, table.group[judge])
        if learn.any() and judge.any():
            yield learn, np.flatnonzero(judge)


def stack(
    margins: NDArray[np.float64], won: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[list[float], float]:
    """Weights and shift over members' margins (rows, members)."""
    import numpy as np

    count = margins.shape[1]
    even = np.full(count, 1 / count)
    free = np.ones(count, bool)
    told, shift = even, 0.0
    # The pull counts like a few hundred deals: members say nearly the same, so little tells their weights apart.
    for _ in range(count):
        columns = np.concatenate([margins[:, free], np.ones((len(margins), 1))], axis=1)
        found = pulled_logistic(
            columns, won, weight, at=(*even[free], 0.0), prior=(*np.full(int(free.sum()), 50.0), 1.0)
        )
        told, shift = np.zeros(count), float(found[-1])
        told[free] = found[:-1]
        if (told >= 0).all():
            break
        free &= told >= 0
    return told.tolist(), shift
