"""The steps of a backtest, from columns to a report. The newest fifth only measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training import recipes
from training.algorithms import ALGORITHMS
from training.backtest import choose, intervals
from training.backtest.choose import MEMBERS, Candidate, Trial, as_table
from training.backtest.columns import ColumnMap, Deals
from training.backtest.follow import follow
from training.backtest.leaks import Leak, suspects
from training.metrics import classification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Say = Callable[[str], None]
LEARN = 0.8


@dataclass(frozen=True, slots=True)
class Measured:
    """One algorithm on the newest rows. `followed`: odds as they would have been told, each after the outcomes known
    before its row. `frozen`: nothing known after the cut was used."""

    algorithm: str
    recency: float | None
    calibration: str
    loss: float  # on the rolling origins
    followed: Mapping[str, float]
    frozen: Mapping[str, float]
    groups: intervals.Coverage


@dataclass(frozen=True, slots=True)
class Report:
    """`models`: the chosen one first, the others in the order of the rolling origins."""

    learnt: int
    measured: int
    won: float  # share of the measured
    models: tuple[Measured, ...]
    quantity: intervals.Coverage | None
    leaks: tuple[Leak, ...]


def backtest(deals: Deals, columns: ColumnMap, *, only_best: bool = False, say: Say = lambda _: None) -> Report:
    """Raises `BadTable` where too few outcomes are there to learn from."""
    cut = float(deals.at[min(len(deals) - 1, round(len(deals) * LEARN))])
    how: dict[str, Mapping[str, Any]] = {name: recipes.of(name).how() for name in MEMBERS}
    say("looking for leaks")
    leaks = suspects(deals, cut)
    trial = choose.try_all(deals, cut, how, say)
    names = dict.fromkeys(candidate.algorithm for candidate in trial.candidates)
    models = []
    for name in list(names)[:1] if only_best else names:
        say(f"measuring {name}")
        models.append(_measured(deals, cut, trial, trial.best(name), how))
    quantity = None
    if columns.quantity is not None:
        say(f"intervals of {columns.quantity.name}")
        told = columns.quantity.column
        quantity = intervals.of_quantity(deals, without=() if told is None else (told,))
    test = deals.at >= cut
    return Report(
        int((deals.at < cut).sum()), int(test.sum()), float(deals.won[test].mean()), tuple(models), quantity,
        tuple(leaks),
    )  # fmt: skip


def _measured(
    deals: Deals, cut: float, trial: Trial, chosen: Candidate, how: Mapping[str, Mapping[str, Any]]
) -> Measured:
    import numpy as np

    test = deals.at >= cut
    fitted = choose.fit(deals, cut, trial, chosen, how)
    algorithm = ALGORITHMS[chosen.algorithm]
    margin = np.full(len(deals), np.nan)
    margin[trial.judged] = chosen.margin
    margin[test] = algorithm.margins(fitted, as_table(deals, cut, recency=chosen.recency).take(test))
    rows = np.flatnonzero(~np.isnan(margin))
    won, at, mature, new = deals.won[rows], deals.at[rows], deals.mature[rows], test[rows]
    told = new | (at >= deals.at[trial.judged[len(trial.judged) // 2]])
    said = follow(chosen.calibration, margin[rows], won, at, mature, told=told)
    still = as_table(deals, cut, recency=chosen.recency, outcomes_until=cut).take(test)
    frozen = chosen.calibration.probability(algorithm.margins(fitted, still))
    return Measured(
        chosen.algorithm, chosen.recency, chosen.calibration.kind, chosen.loss,
        classification(won[new], said[new[told]]), classification(deals.won[test], frozen),
        intervals.of_groups(said, won[told], at[told], mature[told], test=new[told]),
    )  # fmt: skip
