"""The newest values of a tenant's deals or calls, laid out for looking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.datascience.features.kinds import NUMBERS, FeatureSet, Kind
from core.datascience.features.model import FeatureRow
from core.datascience.features.projection import LEAST_POINTS, project
from core.datascience.features.schemas import Axis, Point, ProjectionOut
from core.kit.errors import Conflict, FieldProblem, Invalid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHOWN = 6


def chosen(feature_set: FeatureSet, wanted: Sequence[str]) -> list[str]:
    """Those that can be laid out. Raises `Invalid` for others."""
    can = [f.name for f in feature_set.features if f.kind in NUMBERS or f.kind is Kind.VECTOR]
    unknown = [name for name in wanted if name not in can]
    if unknown:
        problems = [FieldProblem("body.features", f"{name} is no number or vector of this set") for name in unknown]
        raise Invalid("Choose among the numbers and vectors of the set.", problems=problems)
    return list(dict.fromkeys(wanted)) or can


def lay_out(feature_set: FeatureSet, names: Sequence[str], rows: Sequence[FeatureRow]) -> ProjectionOut:
    """Raises `Conflict` where there is too little to lay out."""
    import numpy as np

    blocks = [(name, block) for name in names if (block := _block(feature_set, name, rows)).size]
    if len(rows) < LEAST_POINTS or not blocks:
        raise Conflict(f"There are values of {len(rows)} of these; a projection needs {LEAST_POINTS}.")
    sizes = [block.shape[1] for _, block in blocks]
    found = project(np.concatenate([block for _, block in blocks], axis=1), sizes)
    starts = np.cumsum([0, *sizes])
    axes = []
    for place in (0, 1):
        weights = {
            name: _weight(found.weights[place, starts[n] : starts[n + 1]]) for n, (name, _) in enumerate(blocks)
        }  # fmt: skip
        heaviest = sorted(weights.items(), key=lambda pair: -abs(pair[1]))[:_SHOWN]
        axes.append(Axis(explained=round(found.explained[place], 4), features=dict(heaviest)))
    points = [
        Point(entity_id=row.entity_id, event_at=row.event_at, x=round(float(x), 4), y=round(float(y), 4))
        for row, (x, y) in zip(rows, found.points, strict=True)
    ]
    return ProjectionOut(set=feature_set.name, axes=axes, points=points)


def _block(feature_set: FeatureSet, name: str, rows: Sequence[FeatureRow]) -> NDArray[np.float64]:
    """float64 (rows, columns of the feature); none where it was never known."""
    import numpy as np

    values = [row.values.get(name) for row in rows]
    if feature_set.feature(name).kind in NUMBERS:
        column = np.array([[np.nan if value is None else value] for value in values], np.float64)
        return column if np.isfinite(column).any() else np.zeros((len(rows), 0))
    size = max((len(value) for value in values if value is not None), default=0)
    table = np.full((len(rows), size), np.nan)
    for place, value in enumerate(values):
        if value is not None and len(value) == size:  # an embedder of before had other dimensions
            table[place] = value
    return table


def _weight(weights: NDArray[np.float64]) -> float:
    """Of one column with its sign; of many their length."""
    import numpy as np

    return round(float(weights[0] if len(weights) == 1 else np.linalg.norm(weights)), 4)
