"""One model that is open: probabilities that are calibrated, intervals that hold, and reasons. One thread."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.datascience.models.bundle import unpack
from core.datascience.models.calibration import MOST_LOG_ODDS, Calibration
from core.datascience.models.conformal import Bands, OddsInterval
from core.datascience.models.scorers import Inputs, open_scorer
from core.datascience.predictions import what_if
from core.kit.errors import BadAnswer, FieldProblem, Invalid
from core.ports import Prediction, Question, Reason, WhatIf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OVERHEAD_BYTES = 64 << 10
_NO_BANDS = {"edges": [], "low": [7.0], "middle": [60.0], "high": [180.0]}
_AS_SAID = {"edges": [], "low": [1.0], "middle": [1.0], "high": [1.0]}


@dataclass(frozen=True, slots=True)
class _By:
    """Bands of a quantity, and the column whose bins they are."""

    bands: Bands
    column: int | None

    @classmethod
    def read(cls, told: Mapping[str, Any], names: Sequence[str], default: Mapping[str, Any]) -> _By:
        """`by`, beside what `Bands` reads, names the feature."""
        by = told.get("by")
        return cls(Bands.from_json(told or default), names.index(by) if by is not None else None)

    def of(self, row: Sequence[float]) -> tuple[float, float, float]:
        value = 0.0 if self.column is None else row[self.column]
        return self.bands.interval(0.0 if math.isnan(value) else value)

    def of_all(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        """The same for (rows, features)."""
        import numpy as np

        return self.bands.intervals(np.zeros(len(x)) if self.column is None else np.nan_to_num(x[:, self.column]))


class Served:
    """Raises `BadAnswer` for a bundle that cannot be used, or that reads features which `known` lacks."""

    def __init__(self, raw: bytes, *, basis: str, version: str, known: frozenset[str] | None = None) -> None:
        bundle = unpack(raw)
        meta = self.meta = bundle.meta
        self.basis, self.version = basis, version
        if known is not None and not known.issuperset(meta.names):
            raise BadAnswer("The model was trained on other features than this version builds. Train it again.")
        self._scorer = open_scorer(bundle)
        try:
            self._calibration = Calibration.from_json(meta.calibration)
            self._odds = OddsInterval.from_json(meta.interval) if meta.interval else None
            self._days = _By.read(meta.days, meta.names, _NO_BANDS)
            self._amount = _By.read(meta.amount, meta.names, _AS_SAID)
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer("The model's calibration or intervals cannot be read. Train it again.") from error
        self._set_range()
        self._line = _line(self._calibration)

    @property
    def nbytes(self) -> int:
        return _OVERHEAD_BYTES + self._scorer.nbytes

    def warm(self) -> None:
        """Get ready to answer often."""
        self._scorer.warm()

    def _set_range(self) -> None:
        import numpy as np

        features = self.meta.features
        self._names = self.meta.names
        # Ends are compared as the rows are held, in float32.
        self._low = np.array([feature.low for feature in features], np.float32)
        self._high = np.array([feature.high for feature in features], np.float32)
        self._required = np.array([not feature.may_be_missing for feature in features])

    @property
    def reads_sequences(self) -> bool:
        return self._scorer.channels > 0

    def read_of(self, rows: Sequence[Question]) -> Sequence[Question]:
        """What of them the model reads, and is worth keeping."""
        return rows if self.reads_sequences else without_events(rows)

    def check(self, rows: Sequence[Question]) -> None:
        """Raises `Invalid` that names each feature which the model does not know."""
        refuse_unknown(rows, frozenset(self._names))

    def predict(self, rows: Sequence[Question], *, advise: bool = False) -> list[Prediction]:
        """Reasons are shares of the margin, stretched so that they add up to the calibrated log-odds."""
        import numpy as np

        if not rows:
            return []
        inputs = self._inputs(rows)
        odds, impacts = self._explained(inputs)
        order = np.argsort(-np.abs(impacts), axis=1, kind="stable")
        outside = self._outside(inputs.x)
        advised = self._advice(rows, odds.tolist()) if advise else [()] * len(rows)
        together = zip(
            rows, odds.tolist(), inputs.x.tolist(), impacts.tolist(), order.tolist(), outside, advised, strict=True
        )
        return [
            self._one(p, values, self._reasons(row, impact, places), out, what)
            for row, p, values, impact, places, out, what in together
        ]

    def _reasons(self, row: Question, impacts: Sequence[float], order: Sequence[int]) -> tuple[Reason, ...]:
        columns, features = self._scorer.columns, row.features
        return tuple([Reason(columns[at], features.get(columns[at]), impacts[at]) for at in order])

    def table(self, inputs: Inputs, *, reasons: int) -> dict[str, NDArray[Any]]:
        """The same for many rows, as columns (rows,). `reasons` of each, strongest first: `reason_1`, `impact_1`, …"""
        import numpy as np

        odds, impacts = self._explained(inputs)
        ends = self._odds.intervals(odds) if self._odds else (np.zeros(len(odds)), np.ones(len(odds)))
        found: dict[str, NDArray[Any]] = {"probability": odds, "low": ends[0], "high": ends[1]}
        for name, by in (("days", self._days), ("amount", self._amount)):
            low, middle, high = by.of_all(inputs.x)
            found |= {f"{name}_low": low, name: middle, f"{name}_high": high}
        outside = self._outside(inputs.x)
        found["outside"] = np.array([",".join(names) for names in outside], np.str_)
        order = np.argsort(-np.abs(impacts), axis=1, kind="stable")[:, :reasons]
        columns, row = np.array(self._scorer.columns), np.arange(len(odds))
        for place in range(order.shape[1]):
            found[f"reason_{place + 1}"] = columns[order[:, place]]
            found[f"impact_{place + 1}"] = impacts[row, order[:, place]]
        return found

    def _explained(self, inputs: Inputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Probabilities (rows,), and by how much each column moved their log-odds (rows, columns)."""
        import numpy as np

        shares = self._scorer.contributions(inputs)
        log_odds, stretch = self._calibrated(shares.sum(axis=1), float(shares[0, -1]) if len(shares) else 0.0)
        return 1 / (1 + np.exp(-log_odds)), np.round(shares[:, :-1] * stretch[:, None], 4)

    def odds(self, inputs: Inputs) -> NDArray[np.float64]:
        """Calibrated probabilities alone, (rows,)."""
        return self._calibration.probability(self._scorer.margins(inputs))

    def _one(
        self, p: float, values: Sequence[float], reasons: tuple[Reason, ...], outside: tuple[str, ...],
        what_ifs: tuple[WhatIf, ...],
    ) -> Prediction:  # fmt: skip
        low, high = self._odds.interval(p) if self._odds else (0.0, 1.0)
        days_low, days, days_high = self._days.of(values)
        amount_low, amount, amount_high = self._amount.of(values)
        return Prediction(
            probability=p, low=low, high=high, days_to_close=days, days_low=days_low, days_high=days_high,
            reasons=reasons, model=self.meta.algorithm, version=self.version, basis=self.basis,
            context=self.meta.context, outside=outside, amount=amount, amount_low=amount_low, amount_high=amount_high,
            what_ifs=what_ifs,
        )  # fmt: skip

    def _inputs(self, rows: Sequence[Question]) -> Inputs:
        import numpy as np

        nan, names = math.nan, self._names
        x = np.array([[nan if (v := row.features.get(n)) is None else v for n in names] for row in rows], np.float32)
        if not (channels := self._scorer.channels):
            return Inputs(x)
        # A deal to which nothing has happened yet is one step of nothing.
        events = np.zeros((len(rows), max(1, *(len(row.events) for row in rows)), channels), np.float32)
        for number, row in enumerate(rows):
            if row.events:
                events[number, : len(row.events)] = row.events
        return Inputs(x, events, np.array([max(1, len(row.events)) for row in rows], np.int64))

    def _calibrated(self, margins: NDArray[np.float64], base: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log-odds, and by how much shares are stretched, both (rows,)."""
        import numpy as np

        if self._line is None:
            return self._calibration.log_odds(margins), self._calibration.stretch(margins, base)
        slope, shift = self._line
        return np.clip(slope * margins + shift, -MOST_LOG_ODDS, MOST_LOG_ODDS), np.full(len(margins), slope)

    def _outside(self, x: NDArray[np.float32]) -> list[tuple[str, ...]]:
        import numpy as np

        out = (x < self._low) | (x > self._high) | (np.isnan(x) & self._required)
        if not out.any():
            return [()] * len(x)
        return [tuple(self._names[at] for at in np.flatnonzero(row)) for row in out]

    def _advice(self, rows: Sequence[Question], now: Sequence[float]) -> list[tuple[WhatIf, ...]]:
        tried = [what_if.possible(row.features) for row in rows]
        changed = [Question(new, events=row.events) for row, some in zip(rows, tried, strict=True) for _, new in some]
        if not changed:
            return [()] * len(rows)
        inputs = self._inputs(changed)
        outside, odds = iter(self._outside(inputs.x)), iter(self.odds(inputs).tolist())
        better = -1 if self.meta.context == "risk" else 1
        found = []
        for row, some, p in zip(rows, tried, now, strict=True):
            already = set(self._outside(self._inputs([row]).x)[0]) if some else set()
            judged = [(action, next(odds), next(outside)) for action, _ in some]
            known_there = [(action, q) for action, q, out in judged if already.issuperset(out)]
            found.append(what_if.advice(p, known_there, better=better))
        return found


def without_events(rows: Sequence[Question]) -> list[Question]:
    return [dataclasses.replace(row, events=()) if row.events else row for row in rows]


def refuse_unknown(rows: Sequence[Question], names: frozenset[str]) -> None:
    """Raises `Invalid` with a line for each feature that `names` lacks."""
    strange = [
        FieldProblem(f"body.rows.{number}.features.{name}", "no model here knows a feature of this name")
        for number, row in enumerate(rows)
        for name in sorted(row.features.keys() - names)
    ]
    if strange:
        unknown = ", ".join(sorted({problem.field.rpartition(".")[2] for problem in strange}))
        raise Invalid(f"Unknown features: {unknown}. Known are {', '.join(sorted(names))}.", problems=strange)


def _line(calibration: Calibration) -> tuple[float, float] | None:
    """Slope and shift, where the calibration is a straight line."""
    if calibration.kind == "platt":
        slope, shift = calibration.curve
    elif calibration.kind == "temperature":
        slope, shift = calibration.curve[0], 0.0
    else:
        return None
    return calibration.slope * slope, calibration.slope * shift + calibration.shift
