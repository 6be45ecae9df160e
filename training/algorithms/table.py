"""What algorithms are fitted on, and what fitting one gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to learn from, in any order; what comes when is said by `at`.

    `x` float32 (rows, features), NaN where unknown; all else (rows,). `weight` is what a row counts in fitting: a deal
    seen at several moments is several rows, each weighing 1 over their number, all with one `group`. `at` orders rows
    in time, in days or as a running number; `known`, in the same unit, is when a row's outcome was known, and nothing
    may learn from it earlier. `events` float32 (rows, steps, channels) and `lengths` are for algorithms that read
    sequences.
    """

    x: NDArray[np.float32]
    y: Floats
    weight: Floats
    at: Floats
    names: tuple[str, ...]
    known: Floats | None = None
    group: NDArray[np.int64] | None = None
    events: NDArray[np.float32] | None = None
    lengths: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Table:
        def of(column: Any) -> Any:
            return None if column is None else column[rows]

        return Table(
            self.x[rows], self.y[rows], self.weight[rows], self.at[rows], self.names,
            of(self.known), of(self.group), of(self.events), of(self.lengths),
        )  # fmt: skip

    def known_before(self, moment: float) -> NDArray[np.bool_]:
        """(rows,) bool: rows from before `moment` whose outcome was known by then."""
        return (self.at < moment) & ((self.at if self.known is None else self.known) < moment)


@dataclass(frozen=True, slots=True)
class Fitted:
    """`files` of the bundle by name, and what its `meta.json` says of them beside: an ensemble's members and stack."""

    algorithm: str
    files: Mapping[str, bytes]
    meta: Mapping[str, Any] = field(default_factory=dict)


class Algorithm(Protocol):
    """One way to learn from a table. Fitting runs on one thread, and the same table and recipe give the same bytes."""

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted: ...

    def margins(self, fitted: Fitted, table: Table) -> Floats:
        """Log-odds of the rows before calibration, (rows,); the outcomes in `table` are not looked at."""
        ...


class TooFewOutcomes(ValueError):
    """A table in which nothing was won, or nothing lost."""


def both_outcomes(table: Table) -> None:
    """Raises `TooFewOutcomes`."""
    if not 0 < table.y.sum() < len(table.y):
        raise TooFewOutcomes(f"{len(table.y)} rows, {table.y.sum():.0f} of them won: there is nothing to tell apart")
