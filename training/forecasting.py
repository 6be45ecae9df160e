"""Fit the odds of deals: snapshots of deals in order of time, one of several algorithms, calibration, a bundle.

Deals are put in order of their closing. The oldest teach a first model, the next calibrate it, then both teach the
model that is kept; the newest fifth only measures. Calibration and measure count moments and not deals, because that is
what a model meets in service; counting each deal once there makes short, lost lives too heavy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from core.datascience.models.bundle import Bundle, Feature, Meta, pack
from core.datascience.models.calibration import Calibration, choose
from core.datascience.models.conformal import Bands, OddsInterval
from core.datascience.models.evidence import Evidence
from core.datascience.models.reference import reference
from core.datascience.models.scorers import open_scorer
from core.forecasting.features import NAMES, DealHistory
from core.forecasting.rules import MIN_CLOSED_DEALS
from training import days, fitting, open_deals, recipes
from training.data import Data, Parts, parts, prepare
from training.held_out import HeldOut
from training.metrics import classification
from training.moments import joined
from training.recipes import AlgorithmRecipe, ForecastingRecipe
from training.run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Context = Literal["forecast", "risk"]
PERIODS = 6
"""Stretches of the held-out time over which it is looked at how the odds drift."""
_STAGES = [0.5, 1.5, 2.5, 3.5]


@dataclass(frozen=True, slots=True)
class Report:
    bundle: bytes
    metrics: dict[str, float]
    baseline: dict[str, float]
    deals: int
    parameters: dict[str, Any]
    fingerprint: str  # of the data
    held_out: HeldOut


def train(
    histories: Sequence[DealHistory], *, algorithm: str = "xgboost", recipe: ForecastingRecipe | None = None,
    how: AlgorithmRecipe | None = None, run: Run | None = None, tune: int = 0, least: int = MIN_CLOSED_DEALS,
    context: Context = "forecast", until: datetime | None = None,
) -> Report:  # fmt: skip
    """Raises `NotEnoughDeals`, `RecipeError`. `tune`: how many trials a search for better parameters has, on Ray."""
    recipe, how, run = recipe or recipes.forecasting(), how or recipes.of(algorithm), run or Run()
    run.tell("building features", 0.05)
    events = fitting.reads_events(how)
    kept = run.step("data", lambda: prepare(histories, recipe, least=least, with_events=events, until=until).to_files())
    return fit(Data.from_files(kept), recipe=recipe, how=how, run=run, tune=tune, context=context)


def fit(
    data: Data, *, recipe: ForecastingRecipe, how: AlgorithmRecipe, run: Run, tune: int = 0,
    context: Context = "forecast",
) -> Report:  # fmt: skip
    """A risk is that of losing: the same deals with their outcomes turned round."""
    if context == "risk":
        data = dataclasses.replace(data, closed=dataclasses.replace(data.closed, won=1 - data.closed.won))
    part = parts(data, recipe)
    searched: dict[str, Any] = {}
    if tune:
        how, searched = fitting.tuned(data, part, how, recipe, run, trials=tune)
    run.tell("fitting on the oldest deals", 0.5)
    taught = open_deals.taught(data, part, how, recipe, run)
    run.tell("calibrating", 0.65)
    held = data.table(part.hold)
    margin = fitting.scorer(taught.first, held).margins(fitting.inputs(held))
    order = held.at.argsort(kind="stable")
    calibration = choose(margin[order], held.y[order])
    odds = _odds_interval(data, part, margin)
    run.tell("fitting on all but the newest", 0.7)
    last = fitting.fit("last", taught.last, how, recipe, run)
    run.tell("measuring on the newest", 0.85)
    meta = Meta.model_validate(
        {
            "algorithm": last.algorithm, "context": context, "features": ranges(data.closed.x[part.learn], NAMES),
            "calibration": calibration.to_json(), "interval": odds.to_json(), "days": _bands(_days(data, part)),
            "amount": _amount(data, part, won=float(context != "risk")), "deals": data.deals,
            "fingerprint": data.closed.fingerprint(), "learnt_until": part.learnt_until, **last.meta,
        }
    )  # fmt: skip
    parameters = {"algorithm": last.algorithm, **flat(how.how()), "snapshots": len(data.closed.won)}
    parameters |= searched | ({"open_moments": taught.used} if recipe.open_deals.use else {})
    return _report(data, part, Bundle(meta, last.files), calibration, odds, parameters)


def _report(
    data: Data, part: Parts, bundle: Bundle, calibration: Calibration, odds: OddsInterval,
    parameters: dict[str, Any],
) -> Report:  # fmt: skip
    closed, held = data.closed, fitting.inputs(data.table(part.test))
    said, won = calibration.probability(open_scorer(bundle).margins(held)), closed.won[part.test]
    metrics = {
        **classification(won, said), "odds_coverage_90": _odds_coverage(said, won, odds),
        "days_coverage_90": _days_coverage(data, part, bundle.meta), "moments": float(len(won)),
    }  # fmt: skip
    _, first = _first_of_deals(closed.deal[part.learn])
    meta = bundle.meta.model_copy(
        update={
            "metrics": metrics,
            "reference": reference(NAMES, closed.x[part.learn], said, deals=len(first)),
        }
    )  # fmt: skip
    evidence = Evidence(closed.row[part.test], closed.key[part.test], won, said)
    base_rate = float(closed.won[part.learn][first].mean())
    return Report(
        bundle=pack(meta, bundle.files), metrics=metrics, baseline=_baseline(data, part), deals=data.deals,
        parameters=parameters, fingerprint=meta.fingerprint, held_out=HeldOut(NAMES, held, evidence, base_rate),
    )  # fmt: skip


def _first_of_deals(deal: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The deals, and a row of each."""
    import numpy as np

    numbers, places = np.unique(deal, return_index=True)
    return numbers, places.astype(np.int64)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"booster": {"eta": 0.1}}` as `{"booster.eta": 0.1}`."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def ranges(x: NDArray[np.float32], names: Sequence[str]) -> tuple[Feature, ...]:
    """What each column of `x` (rows, names) held: the input that a model of it is valid for."""
    import numpy as np

    found = []
    for column, name in zip(x.T, names, strict=True):
        seen = column[~np.isnan(column)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
        found.append(Feature(name=name, low=low, high=high, may_be_missing=len(seen) < len(column)))
    return tuple(found)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _odds_interval(data: Data, part: Parts, margin: Floats) -> OddsInterval:
    """From odds whose model and calibration both knew only older deals: the held-out time is cut into stretches, and
    each is told by a calibration on those before it."""
    import numpy as np

    deal, won = data.closed.deal[part.hold], data.closed.won[part.hold]
    numbers = np.unique(deal)
    period = np.searchsorted(numbers, deal) * PERIODS // len(numbers)
    said = np.full(len(margin), np.nan)
    for number in range(2, PERIODS):
        older = period < number
        said[period == number] = choose(margin[older], won[older]).probability(margin[period == number])
    known = ~np.isnan(said)
    return OddsInterval.fit(said[known], won[known], period=period[known], group=deal[known])


def _odds_coverage(said: Floats, won: Floats, odds: OddsInterval) -> float:
    """The share of moments in whose bin the share really won lies between the mean ends of the interval."""
    import numpy as np

    place = np.searchsorted(odds.edges, said, side="right")
    inside = 0
    for number in np.unique(place):
        here = place == number
        low, high = np.array([odds.interval(float(p)) for p in said[here]]).mean(axis=0)
        inside += int(here.sum()) * bool(low <= won[here].mean() <= high)
    return inside / len(said)


def _days(data: Data, part: Parts) -> dict[str, list[float]]:
    """Deals that are open now were open then, and are seen as it was known at the last closing that is learnt from."""
    import numpy as np

    both = joined(data.closed, data.still)
    held = np.concatenate([part.hold, np.zeros(len(data.still.won), bool)])
    return days.table(both, held, fitted_at_s=part.fitted_at_s, held_at_s=part.held_at_s)


def _bands(table: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Days by stage, as `conformal.Bands` reads them."""
    low, middle, high = zip(*(table[str(stage)] for stage in range(len(table))), strict=True)
    return {"by": "stage", "edges": _STAGES, "low": low, "middle": middle, "high": high}


def _days_coverage(data: Data, part: Parts, meta: Meta) -> float:
    import numpy as np

    stage, left = data.closed.x[part.test, NAMES.index("stage")], data.closed.days_left[part.test]
    low, _, high = Bands.from_json(meta.days).intervals(stage)
    return float(np.mean((low <= left) & (left <= high)))


def _amount(data: Data, part: Parts, *, won: float) -> dict[str, Any]:
    """By what the value of deals that are won differs in the end from what stands there now, by stage."""
    here = part.learn & (data.closed.won == won)
    stage = data.closed.x[here, NAMES.index("stage")]
    bands = Bands.fit(
        stage, data.closed.growth[here], part.hold[here], edges=_STAGES, group=data.closed.deal[here]
    )  # fmt: skip
    return {"by": "stage", **bands.to_json()}


# ── beside it ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _baseline(data: Data, part: Parts) -> dict[str, float]:
    """Logistic regression, taught and measured on the same moments."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    closed = data.closed
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(closed.x[part.learn], closed.won[part.learn])
    return classification(closed.won[part.test], model.predict_proba(closed.x[part.test])[:, 1])
