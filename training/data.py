"""What a forecasting job learns from, as plain arrays: it can be kept in a file and taken up again, and holds numbers
alone, nothing of what anybody wrote or said."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.forecasting.features import NAMES, DealHistory
from core.forecasting.sequence import padded, sequence
from core.kit.errors import Conflict
from training.algorithms.table import Table
from training.moments import Snapshots, moments, snapshots
from training.recipes import ForecastingRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.bool_]

LEAST_OF_EACH = 20
"""Won and lost deals below which an outcome cannot be learnt."""


class NotEnoughDeals(Conflict):
    """Fewer closed deals than a model takes."""


@dataclass(frozen=True, slots=True)
class Data:
    """Closed deals in order of closing, and those that were open at the end. Events are (snapshots, steps, channels)
    and lengths (snapshots,); None where nothing reads them."""

    closed: Snapshots
    still: Snapshots
    deals: int  # closed
    closed_events: NDArray[np.float32] | None = None
    still_events: NDArray[np.float32] | None = None
    closed_lengths: NDArray[np.int64] | None = None
    still_lengths: NDArray[np.int64] | None = None

    def to_files(self) -> dict[str, bytes]:
        import numpy as np

        arrays: dict[str, Any] = {"deals": np.array(self.deals)}
        for part in ("closed", "still"):
            held = getattr(self, part)
            arrays |= {f"{part}.{field.name}": getattr(held, field.name) for field in fields(Snapshots)}
            for name in (f"{part}_events", f"{part}_lengths"):
                if (column := getattr(self, name)) is not None:
                    arrays[name] = column
        out = io.BytesIO()
        np.savez_compressed(out, **arrays)
        return {"data.npz": out.getvalue()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Data:
        import numpy as np

        with np.load(io.BytesIO(files["data.npz"]), allow_pickle=False) as held:
            parts = {
                part: Snapshots(**{field.name: held[f"{part}.{field.name}"] for field in fields(Snapshots)})
                for part in ("closed", "still")
            }
            more = {name: held[name] for name in held.files if name.endswith(("_events", "_lengths"))}
            return cls(parts["closed"], parts["still"], int(held["deals"]), **more)

    def table(self, rows: Rows) -> Table:
        """Closed deals to learn from."""
        return _table(self.closed, self.closed_events, self.closed_lengths, 0, rows)

    def open_table(self, rows: Rows) -> Table:
        """Deals still open, whose outcome is not known."""
        return _table(self.still, self.still_events, self.still_lengths, self.deals, rows)


def _table(held: Snapshots, events: Any, lengths: Any, first: int, rows: Rows) -> Table:
    whole = Table(held.x, held.won, held.weight, held.at_s, NAMES, held.end_s, held.deal + first, events, lengths)
    return whole.take(rows)


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of the closed deals: the oldest teach, the next calibrate, the newest only measure; a deal lies whole in
    one. `fitted_at_s` and `held_at_s`: the last closing of the first part and of the second."""

    fit: Rows
    hold: Rows
    test: Rows
    fitted_at_s: float
    held_at_s: float

    @property
    def learn(self) -> Rows:
        return ~self.test

    @property
    def learnt_until(self) -> datetime:
        return datetime.fromtimestamp(self.held_at_s, UTC)


def prepare(
    histories: Sequence[DealHistory], recipe: ForecastingRecipe, *, least: int, with_events: bool = False,
    until: datetime | None = None,
) -> Data:  # fmt: skip
    """Raises `NotEnoughDeals`. `until`: now; open deals are seen up to it."""
    closed = sorted((history for history in histories if history.closed_at is not None), key=_by_closing)
    won = sum(bool(history.won) for history in closed)
    if len(closed) < least or min(won, len(closed) - won) < LEAST_OF_EACH:
        raise NotEnoughDeals(
            f"A model takes at least {least} closed deals, {LEAST_OF_EACH} of them won and {LEAST_OF_EACH} lost; "
            f"there are {won} won and {len(closed) - won} lost."
        )
    end = until or max(history.closed_at or history.opened_at for history in closed)
    still = [history for history in histories if history.closed_at is None and history.opened_at < end]
    every = recipe.snapshot_every_days
    both = [snapshots(some, every_days=every, until=end) for some in (closed, still)]
    more: dict[str, Any] = {}
    for part, some in (("closed", closed), ("still", still)) if with_events else ():
        steps = [sequence(history, moment) for history in some for moment in moments(history, every, end)]
        more[f"{part}_events"], more[f"{part}_lengths"] = padded(steps)
    return Data(both[0], both[1], len(closed), **more)


def _by_closing(history: DealHistory) -> tuple[datetime, datetime]:
    return history.closed_at or history.opened_at, history.opened_at


def parts(data: Data, recipe: ForecastingRecipe) -> Parts:
    deal = data.closed.deal
    cut = round(data.deals * recipe.split.train)
    end = cut + round(data.deals * recipe.split.calibration)
    fit, hold = deal < cut, (deal >= cut) & (deal < end)
    ends = [float(data.closed.end_s[rows].max()) for rows in (fit, hold)]
    return Parts(fit, hold, deal >= end, *ends)
