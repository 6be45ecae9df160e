"""Deals as they stood at moments of their lives: what every algorithm learns from.

A deal's moments are the days of one calendar that fall into its life, so they are what a model meets in service: the
deals that happen to be open.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.datascience.models.evidence import number
from core.forecasting.features import NAMES, DealHistory, build, value_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What was known of deals at moments of their lives. Arrays are (snapshots,), `x` (snapshots, features)."""

    x: NDArray[np.float32]
    won: NDArray[np.float64]  # NaN: still open
    weight: NDArray[np.float64]  # for fitting: each deal counts once
    at_s: NDArray[np.float64]  # the moment, in seconds since 1970
    end_s: NDArray[np.float64]  # of the deal; infinite: still open
    growth: NDArray[np.float64]  # the value that it has in the end over the value that it had then
    deal: NDArray[np.int64]  # its place in the order given
    key: NDArray[np.int64]  # of the deal, the same in any training
    row: NDArray[np.int64]  # of the deal and the moment, the same in any training

    @property
    def days_left(self) -> NDArray[np.float64]:
        return (self.end_s - self.at_s) / 86_400

    def fingerprint(self) -> str:
        """Of all that is learnt from and measured on."""
        import numpy as np

        seen = hashlib.sha256(self.x.tobytes())
        for column in (self.won, self.at_s, self.end_s, self.growth):
            seen.update(np.ascontiguousarray(column).tobytes())
        return seen.hexdigest()[:16]


def snapshots(histories: Sequence[DealHistory], *, every_days: float, until: datetime | None = None) -> Snapshots:
    """Each deal at its `moments`, numbered in the order given. Open deals are seen up to `until`."""
    import numpy as np

    rows: list[list[float]] = []
    rest: list[tuple[float, ...]] = []
    numbers: list[tuple[int, int, int]] = []
    for place, history in enumerate(histories):
        when = moments(history, every_days, until)
        end_s = history.closed_at.timestamp() if history.closed_at else math.inf
        won = math.nan if history.won is None else float(history.won)
        name = _name(history)
        for moment in when:
            features = build(history, moment)
            rows.append([math.nan if (v := features[name]) is None else v for name in NAMES])
            growth = history.value_cents / value_at(history, moment) if value_at(history, moment) else 1.0
            rest.append((won, 1 / len(when), moment.timestamp(), end_s, growth))
            numbers.append((place, number(name), number(name, moment.isoformat())))
    x = np.array(rows, np.float32).reshape(-1, len(NAMES))
    columns = np.array(rest, np.float64).reshape(-1, 5).T
    return Snapshots(x, *columns, *np.array(numbers, np.int64).reshape(-1, 3).T)


def _name(history: DealHistory) -> str:
    """A simulated deal has no id, and is known by its days."""
    return str(history.deal_id or f"{history.opened_at.isoformat()} {history.closed_at} {history.value_cents}")


def moments(history: DealHistory, every_days: float, until: datetime | None = None) -> list[datetime]:
    """The days of one calendar, the same for all deals, on which this one was open; its first day where none was."""
    end = history.closed_at or until
    assert end is not None, "an open deal is seen up to a day that is given"
    step_s = every_days * 86_400
    first = math.floor(history.opened_at.timestamp() / step_s) + 1
    last = math.ceil(end.timestamp() / step_s)
    return [datetime.fromtimestamp(n * step_s, UTC) for n in range(first, last)] or [history.opened_at]


def joined(first: Snapshots, second: Snapshots) -> Snapshots:
    """The deals of the second are numbered after those of the first."""
    import numpy as np

    after = int(first.deal.max()) + 1 if len(first.deal) else 0
    numbers = {"deal": np.concatenate([first.deal, second.deal + after])}
    columns = [f.name for f in dataclasses.fields(Snapshots) if f.name != "deal"]
    return Snapshots(**{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in columns}, **numbers)
