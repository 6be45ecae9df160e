"""Algorithm and recency, by rolling origins over the oldest part alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.datascience.models.calibration import Calibration, choose, log_loss
from training.algorithms import ALGORITHMS, Fitted, Table
from training.algorithms.ensemble import Ensemble, forward, stack
from training.backtest.columns import BadTable, Deals
from training.backtest.encode import encode
from training.backtest.follow import follow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEMBERS = ("logistic", "xgboost", "lightgbm")
FOLDS = 5
SINCE = 0.4
"""The share of the oldest part that teaches the first model."""
RECENCIES: tuple[float | None, ...] = (None, 0.3)
"""Half-lives that are tried, as shares of the time that is learnt from; None: all rows count alike."""


LEAST_OF_EACH = 50
"""Won, and lost, that a model must have learnt from to be judged."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm with a recency; `margin` (judged rows,) is what models that were fitted before them say of them, and
    `loss` the mean log loss of the odds that would have been told."""

    algorithm: str
    recency: float | None
    margin: Floats
    calibration: Calibration
    loss: float


@dataclass(frozen=True, slots=True)
class Trial:
    """All candidates, the best first, and `judged`: places of the rows that they were judged on, in order of time."""

    candidates: tuple[Candidate, ...]
    judged: NDArray[np.intp]

    def best(self, algorithm: str | None = None) -> Candidate:
        return next(c for c in self.candidates if algorithm in (None, c.algorithm))


def try_all(deals: Deals, cut: float, how: Mapping[str, Mapping[str, Any]], say: Any = lambda _: None) -> Trial:
    """`how`: recipe by algorithm. Only rows from before `cut`, with outcomes known by then, are looked at."""
    import numpy as np

    found: list[Candidate] = []
    judged = np.zeros(0, np.intp)
    for recency in RECENCIES:
        members: dict[str, list[Floats]] = {name: [] for name in MEMBERS}
        places: list[NDArray[np.intp]] = []
        for begin, judge in origins(deals, cut):
            say(f"recency {recency or 'none'}, {int((deals.at < begin).sum())} rows before the origin")
            table = as_table(deals, begin, recency=recency)
            learn = table.take(table.known_before(begin))
            for name in MEMBERS:
                members[name].append(
                    ALGORITHMS[name].margins(ALGORITHMS[name].fit(learn, how[name]), table.take(judge))
                )
            places.append(judge)
        judged = np.concatenate(places)
        columns = np.stack([np.concatenate(members[name]) for name in MEMBERS], axis=1)
        margins = {name: columns[:, n] for n, name in enumerate(MEMBERS)}
        margins["ensemble"] = _stacked(columns, deals.won[judged], [len(part) for part in places])
        found += [_candidate(name, recency, margin, deals, judged) for name, margin in margins.items()]
    return Trial(tuple(sorted(found, key=lambda candidate: candidate.loss)), judged)


def fit(deals: Deals, cut: float, trial: Trial, chosen: Candidate, how: Mapping[str, Mapping[str, Any]]) -> Fitted:
    """The chosen one on all that was known at `cut`."""
    import numpy as np

    table = as_table(deals, cut, recency=chosen.recency)
    learn = table.take(table.known_before(cut))
    if chosen.algorithm != "ensemble":
        return ALGORITHMS[chosen.algorithm].fit(learn, how[chosen.algorithm])
    parts = {c.algorithm: c.margin for c in trial.candidates if c.recency == chosen.recency}
    judged = trial.judged
    weights, shift = stack(np.stack([parts[name] for name in MEMBERS], axis=1), deals.won[judged], np.ones(len(judged)))
    return Ensemble.joined([ALGORITHMS[name].fit(learn, how[name]) for name in MEMBERS], weights, shift)


def as_table(deals: Deals, cut: float, *, recency: float | None, outcomes_until: float = float("inf")) -> Table:
    """All rows as features; a row that is a half-life older than the newest before `cut` weighs half."""
    import numpy as np

    half_life = recency * max(cut - float(deals.at[0]), 1e-9) if recency else None
    x, names = encode(deals, cut, half_life=half_life, outcomes_until=outcomes_until)
    age = np.maximum(cut - deals.at, 0)
    weight = 0.5 ** (age / half_life) if half_life else np.ones(len(deals))
    return Table(x, deals.won, weight, deals.at, names, known=deals.known)


def origins(deals: Deals, cut: float) -> list[tuple[float, NDArray[np.intp]]]:
    """When each stretch begins, and the places of its rows, all of them mature at `cut`; stretches before which too few
    outcomes were known are left out. Raises `BadTable` where none is left."""
    import numpy as np

    older = np.flatnonzero((deals.at < cut) & (deals.mature < cut))
    empty = np.zeros((len(older), 0), np.float32)
    ones = np.ones(len(older))
    table = Table(empty, deals.won[older], ones, deals.at[older], (), known=deals.known[older])
    found = []
    for _, judge in forward(table, FOLDS, since=SINCE):
        begin = float(deals.at[older[judge]].min())
        learnt = deals.won[(deals.at < begin) & (deals.known < begin)]
        if min(learnt.sum(), len(learnt) - learnt.sum()) >= LEAST_OF_EACH:
            found.append((begin, older[judge]))
    if not found:
        raise BadTable(
            f"Too few outcomes are known early enough: before an origin at least {LEAST_OF_EACH} won and as many lost."
        )
    return found


def _stacked(columns: Floats, won: Floats, sizes: list[int]) -> Floats:
    """Each stretch by the weights that older stretches gave."""
    import numpy as np

    said, begin = [], 0
    for size in sizes:
        weights, shift = stack(columns[:begin], won[:begin], np.ones(begin))
        said.append(columns[begin : begin + size] @ np.array(weights) + shift)
        begin += size
    return np.concatenate(said)


def _candidate(
    algorithm: str, recency: float | None, margin: Floats, deals: Deals, judged: NDArray[np.intp]
) -> Candidate:
    """Its curve is drawn from the older half of what was judged, and its loss counted on the newer one; then the curve
    that goes with it is drawn from all."""
    import numpy as np

    won, at, known = deals.won[judged], deals.at[judged], deals.mature[judged]
    half = at >= at[len(at) // 2]
    early = known < at[half].min()
    curve = choose(margin[early], won[early]) if early.sum() >= LEAST_OF_EACH else Calibration()
    said = follow(curve, margin, won, at, known, told=half)
    loss = float(np.mean(log_loss(won[half], said)))
    return Candidate(algorithm, recency, margin, choose(margin, won), loss)
