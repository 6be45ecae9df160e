"""Open deals teach too: those of which a first model is sure as if they had ended so (self-training, Yarowsky, 1995),
or all of them by what it expects (Nigam et al., 2000), and only where newer deals say that this makes the odds better.

It is tried on the past. What was open when the oldest part of the closed deals ended is labelled by a model of that
part, the older half of the deals that closed next says how sure it may be, and the newer half judges whether both
together do better. An open deal that closed meanwhile counts as it was known then: its outcome is not looked at.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.models.calibration import Calibration, log_loss
from core.datascience.models.calibration import fit as fit_calibration
from training import fitting
from training.algorithms import Fitted, Table
from training.data import Data, Parts
from training.recipes import AlgorithmRecipe, ForecastingRecipe, OpenDeals
from training.run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Margins = Callable[[Table], "Floats"]
"""What a model says of rows, log-odds (rows,)."""
LEAST_Z = 1.645
"""By how many standard errors, over deals, the odds must be better: 95 % sure."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Both models of the oldest part, how many open moments taught the second, and by how many standard errors it does
    better on deals that closed later."""

    plain: Fitted
    with_open: Fitted
    used: int
    better: float


@dataclass(frozen=True, slots=True)
class Taught:
    """The first model, what the last one learns from, and how many open moments are in that (0: they did not help)."""

    first: Fitted
    last: Table
    used: int = 0


def taught(data: Data, part: Parts, how: AlgorithmRecipe, recipe: ForecastingRecipe, run: Run) -> Taught:
    learn = data.table(part.learn)
    if not recipe.open_deals.use:
        return Taught(fitting.fit("first", data.table(part.fit), how, recipe, run), learn)
    tried = try_them(data, part, how, recipe, run)
    if tried.better < LEAST_Z:
        return Taught(tried.plain, learn)
    newer = data.table(part.hold)
    now = labelled(fitting.margins(tried.with_open), open_at(data, part.held_at_s), recipe.open_deals, newer)
    return Taught(tried.with_open, added(learn, now), len(now.y))


def try_them(data: Data, part: Parts, how: AlgorithmRecipe, recipe: ForecastingRecipe, run: Run) -> Tried:
    import numpy as np

    plain = fitting.fit("first", data.table(part.fit), how, recipe, run)
    newer = data.table(part.hold)
    middle = np.median(data.closed.deal[part.hold])
    older, judge = (newer.take((data.closed.deal[part.hold] < middle) == is_older) for is_older in (True, False))
    then = labelled(fitting.margins(plain), open_at(data, part.fitted_at_s), recipe.open_deals, older)
    if not len(then.y):
        return Tried(plain, plain, 0, 0.0)
    with_open = fitting.fit("first-open", added(data.table(part.fit), then), how, recipe, run)
    before, after = (fitting.margins(fitted)(judge) for fitted in (plain, with_open))
    return Tried(plain, with_open, len(then.y), gain(before, after, judge))


def open_at(data: Data, at_s: float) -> Table:
    """Deals that had not ended at that time, as they stood before it; what became of them is left out."""
    import numpy as np

    closed = data.table((data.closed.at_s < at_s) & (data.closed.end_s > at_s))
    both = added(closed, data.open_table(np.asarray(data.still.at_s < at_s)))
    return dataclasses.replace(both, y=np.full(len(both.y), math.nan))


def labelled(margins: Margins, table: Table, how: OpenDeals, newer: Table) -> Table:
    """The rows with what the model says of them as their outcome. How sure it may be is told by a curve over `newer`,
    whose outcomes it did not learn from. A row that is won in part is two rows, which share its weight."""
    import numpy as np

    if not len(table.y):
        return table
    curve: Calibration = fit_calibration("platt", margins(newer), newer.y)
    said = curve.probability(margins(table))
    if how.way == "expected":
        won, lost = (
            dataclasses.replace(table, y=np.full(len(said), y), weight=table.weight * how.weight * share)
            for y, share in ((1.0, said), (0.0, 1 - said))
        )
        return added(won, lost)
    sure = (said >= how.sure) | (said <= 1 - how.sure)
    rows = table.take(sure)
    return dataclasses.replace(rows, y=(said[sure] > 0.5).astype(float), weight=rows.weight * how.weight)


def added(first: Table, second: Table) -> Table:
    import numpy as np

    def both(name: str) -> NDArray[np.generic] | None:
        a, b = getattr(first, name), getattr(second, name)
        return None if a is None or b is None else np.concatenate([a, b])

    columns = {f.name: both(f.name) for f in dataclasses.fields(Table) if f.name != "names"}
    return Table(names=first.names, **columns)  # type: ignore[arg-type]  # what is None in one is None in both


def gain(before: Floats, after: Floats, newer: Table) -> float:
    """By how many standard errors the log loss of `newer` is less after than before; a deal, or else a row, counts
    once."""
    import numpy as np

    losses = [log_loss(newer.y, fit_calibration("platt", m, newer.y).probability(m)) for m in (before, after)]
    group = np.arange(len(newer.y)) if newer.group is None else newer.group
    _, deal = np.unique(group, return_inverse=True)
    better = np.bincount(deal, weights=losses[0] - losses[1]) / np.bincount(deal)
    error = better.std(ddof=1) / math.sqrt(len(better)) if len(better) > 1 else 0.0
    return float(better.mean() / error) if error > 0 else 0.0
