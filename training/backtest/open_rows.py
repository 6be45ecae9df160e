"""Would rows whose outcome is not known yet make the odds better? Told by the rolling origins, on the oldest part."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.datascience.models.calibration import fit as fit_calibration
from core.datascience.models.calibration import log_loss
from training import open_deals
from training.algorithms import ALGORITHMS, Fitted, Table
from training.backtest.choose import MEMBERS, Trial, as_table, origins
from training.backtest.columns import Deals
from training.recipes import OpenDeals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tried:
    """Mean log loss without and with open rows: `older` of the rows after the first origin, which is what decides,
    `newest` of those from the cut on. `better`: by how many standard errors the first fell; `used`: open rows that
    taught there."""

    algorithm: str
    used: int
    older: tuple[float, float]
    better: float
    newest: tuple[float, float]

    @property
    def help(self) -> bool:
        return self.better >= open_deals.LEAST_Z


def try_them(deals: Deals, cut: float, trial: Trial, how: Mapping[str, Mapping[str, Any]], open_: OpenDeals) -> Tried:
    """With the best algorithm that is no ensemble. What the model said of older stretches tells how sure it may be."""
    import numpy as np

    best = next(candidate for candidate in trial.candidates if candidate.algorithm in MEMBERS)
    algorithm, found, used, seen = ALGORITHMS[best.algorithm], [], 0, 0
    for begin, judge in [*origins(deals, cut), (cut, np.flatnonzero(deals.at >= cut))]:
        table = as_table(deals, begin, recency=best.recency)
        learn, asked = table.take(table.known_before(begin)), table.take(judge)
        if seen:
            plain = algorithm.fit(learn, how[best.algorithm])
            waiting = table.take((deals.at < begin) & ~table.known_before(begin))
            more = _labelled(plain, best.algorithm, waiting, open_, best.margin[:seen], table.take(trial.judged[:seen]))
            both = algorithm.fit(open_deals.added(learn, more), how[best.algorithm]) if len(more.y) else plain
            used += len(more.y) if begin < cut else 0
            found.append([algorithm.margins(fitted, asked) for fitted in (plain, both)])
        seen += len(judge)
    margins = [np.concatenate(column) for column in zip(*found[:-1], strict=True)] if found[:-1] else []
    newest = _losses(best.margin, deals.won[trial.judged], found[-1], deals.won[deals.at >= cut])
    told = (float(newest[0].mean()), float(newest[1].mean()))
    if not margins or not used:
        return Tried(best.algorithm, used, (math.nan, math.nan), 0.0, told)
    won = deals.won[trial.judged[-len(margins[0]) :]]
    before, after = (_losses(margin, won, [margin], won)[0] for margin in margins)
    gain = before - after
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
    better = float(gain.mean()) / error if error else 0.0
    return Tried(best.algorithm, used, (float(before.mean()), float(after.mean())), better, told)


def _labelled(model: Fitted, algorithm: str, waiting: Table, open_: OpenDeals, margin: Floats, judged: Table) -> Table:
    """`margin`: what older models said of the `judged` rows, whose outcomes they had not seen."""
    table = dataclasses.replace(waiting, y=waiting.y * math.nan)

    def margins(of: Table) -> Floats:
        return margin if of is judged else ALGORITHMS[algorithm].margins(model, of)

    return open_deals.labelled(margins, table, open_, judged)


def _losses(margin: Floats, won: Floats, asked: Sequence[Floats], then: Floats) -> list[Floats]:
    """Log loss of each row of `asked`, by the curve that `margin` and `won` tell."""
    curve = fit_calibration("platt", margin, won)
    return [log_loss(then, curve.probability(of)) for of in asked]
