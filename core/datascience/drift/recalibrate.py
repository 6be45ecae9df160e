"""Odds that are in the right order and do not come true: the same model with a calibration that newer outcomes draw.

The older half of the outcomes moves the calibration, the newer half, which it never saw, is what the gate measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.drift.check import arrays
from core.datascience.drift.repository import Outcome
from core.datascience.models.bundle import Bundle, pack, unpack
from core.datascience.models.calibration import Calibration, recalibrated
from core.datascience.models.evidence import Evidence, numbers
from core.datascience.models.model import ModelVersion
from core.datascience.models.quality import quality
from core.datascience.models.scorers import Inputs, Scorer, open_scorer
from core.datascience.models.versions import Trained
from core.kit.errors import BadAnswer, Conflict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_OUTCOMES = 60
HALF_LIFE_DAYS = 60.0


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What goes to the gate, and on which rows the champion is measured beside it."""

    trained: Trained
    base_rate: float
    newer: Sequence[Outcome]


def redraw(row: ModelVersion, raw: bytes, closed: Sequence[Outcome]) -> Redrawn:
    """`closed`: in the order of closing. Raises `Conflict` where there are too few."""
    import numpy as np

    deals = list(dict.fromkeys(outcome.deal_id for outcome in closed))
    if len(deals) < LEAST_OUTCOMES:
        raise Conflict(
            f"{len(deals)} deals have closed since; {LEAST_OUTCOMES} are needed to draw a calibration and to test it."
        )
    early = set(deals[: len(deals) // 2])
    older, newer = ([o for o in closed if (o.deal_id in early) == wanted] for wanted in (True, False))
    bundle = unpack(raw)
    scorer = open_scorer(bundle)
    won, _, deal = arrays(older)
    end = max(outcome.closed_at for outcome in older)
    moved = recalibrated(
        Calibration.from_json(bundle.meta.calibration), margins(bundle, scorer, older), won,
        age=[(end - outcome.closed_at).total_seconds() / 86_400 for outcome in older], half_life=HALF_LIFE_DAYS,
        weight=1 / np.bincount(np.unique(deal, return_inverse=True)[1])[np.unique(deal, return_inverse=True)[1]],
    )  # fmt: skip
    said = moved.probability(margins(bundle, scorer, newer))
    truth, _, _ = arrays(newer)
    meta = bundle.meta.model_copy(
        update={"calibration": moved.to_json(), "metrics": quality(truth, said), "learnt_until": end}
    )
    numbered = numbers([o.deal_id for o in newer], [o.at for o in newer])
    trained = Trained(
        context=row.context, algorithm=row.algorithm, bundle=pack(meta, bundle.files),
        evidence=Evidence(*numbered, truth, said), metrics=quality(truth, said), deals=row.deals,
        fingerprint=row.fingerprint, inputs=tuple(row.inputs), baseline=row.baseline,
        parameters={**row.parameters, "recalibrated_from": row.version, "slope": moved.slope, "shift": moved.shift},
        leaks=tuple(row.leaks), importance=row.importance, code=row.code, learnt_until=end,
    )  # fmt: skip
    return Redrawn(trained, float(won.mean()), newer)


def margins(bundle: Bundle, scorer: Scorer, rows: Sequence[Outcome]) -> NDArray[np.float64]:
    """Of logged inputs, (rows,)."""
    import numpy as np

    names = bundle.meta.names
    features = [outcome.input["features"] for outcome in rows]
    x = np.array([[math.nan if (v := f.get(name)) is None else v for name in names] for f in features], np.float32)
    if not scorer.channels:
        return scorer.margins(Inputs(x))
    given = [outcome.input.get("events", []) for outcome in rows]
    events = np.zeros((len(rows), max(1, *map(len, given)), scorer.channels), np.float32)
    for number, steps in enumerate(given):
        if steps:
            events[number, : len(steps)] = steps
    return scorer.margins(Inputs(x, events, np.array([max(1, len(steps)) for steps in given], np.int64)))


def said_by(raw: bytes, rows: Sequence[Outcome]) -> NDArray[np.float64]:
    """What a bundle says of logged inputs, after its own calibration, (rows,). Raises `BadAnswer` where it reads
    sequences and the rows were logged by one that reads none."""
    bundle = unpack(raw)
    scorer = open_scorer(bundle)
    if scorer.channels and not any(outcome.input.get("events") for outcome in rows):
        raise BadAnswer("The model reads sequences, and these rows have none.")
    return Calibration.from_json(bundle.meta.calibration).probability(margins(bundle, scorer, rows))
