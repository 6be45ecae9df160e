"""Groups of accounts as a model that travels: JSON alone, with the normaliser that was fitted with it. Pure NumPy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.datascience.features.normalise import Normaliser
from core.datascience.groups.profile import read
from core.kit.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Method = Literal["kmeans", "gmm"]
CONTEXT = "customers"
FARTHEST = 3.0
"""Standard deviations beyond which farther is not more different."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group as it was found. `profile`: the mean of what is known; `apart`: by how many standard deviations it
    lies above that of all accounts, on the scale that they are compared on."""

    number: int
    accounts: int
    won: int
    closed: int
    profile: Mapping[str, float | None]
    apart: Mapping[str, float]

    @property
    def win_rate(self) -> float | None:
        """Of the closed deals with its accounts."""
        return self.won / self.closed if self.closed else None


@dataclass(frozen=True, slots=True)
class Grouping:
    """`centres` and `spreads` (variances) are (groups, columns), `weights` (groups,); k-means knows centres alone.
    `everybody`: the profile of all accounts."""

    method: Method
    normaliser: Normaliser
    centres: Floats
    spreads: Floats
    weights: Floats
    groups: tuple[Group, ...]
    everybody: Mapping[str, float | None]

    def place(self, rows: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.intp], Floats]:
        """The place in `groups` of each profile, (rows,), and how clear that is: from 0, it might be the next best, to
        1. A mixture says the probability itself, k-means by how much nearer the own centre is than the next."""
        return nearest(self.method, inputs(self.normaliser, rows), self.centres, self.spreads, self.weights)

    def to_bytes(self) -> bytes:
        told = {
            "method": self.method, "normaliser": json.loads(self.normaliser.to_json()),
            "centres": self.centres.tolist(), "spreads": self.spreads.tolist(), "weights": self.weights.tolist(),
            "groups": [asdict(group) for group in self.groups], "everybody": dict(self.everybody),
        }  # fmt: skip
        return json.dumps(told, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Grouping:
        """Raises `BadAnswer` for what is no grouping."""
        import numpy as np

        try:
            told = json.loads(raw)
            centres, spreads, weights = (np.array(told[name], np.float64) for name in ("centres", "spreads", "weights"))
            normaliser = Normaliser.from_json(json.dumps(told["normaliser"]))
            groups = tuple(Group(**group) for group in told["groups"])
            shape = (len(groups), len(_used(normaliser)))
            if centres.shape != shape or spreads.shape != shape or weights.shape != shape[:1]:
                raise ValueError("centres and columns disagree")
            if told["method"] not in ("kmeans", "gmm"):
                raise ValueError("no such method")
            return cls(told["method"], normaliser, centres, spreads, weights, groups, dict(told["everybody"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnswer("The groups of customers cannot be read. Train them again.") from error


def inputs(normaliser: Normaliser, rows: Sequence[Mapping[str, Any]]) -> Floats:
    """float64 (rows, columns). What is not known lies in the middle: it makes nobody alike."""
    import numpy as np

    whole = normaliser.apply([read(row) for row in rows])
    return np.clip(whole[:, _used(normaliser)], -FARTHEST, FARTHEST)


def nearest(
    method: Method, x: Floats, centres: Floats, spreads: Floats, weights: Floats
) -> tuple[NDArray[np.intp], Floats]:
    import numpy as np

    gap = x[:, None, :] - centres[None]
    rows = np.arange(len(x))
    if method == "kmeans":
        far = np.sqrt((gap**2).sum(axis=2))
        place = far.argmin(axis=1)
        first, second = np.sort(far, axis=1)[:, :2].T
        return place, np.where(second > 0, (second - first) / np.maximum(second, 1e-12), 0.0)
    log = np.log(weights) - 0.5 * (gap**2 / spreads + np.log(2 * np.pi * spreads)).sum(axis=2)
    odds = np.exp(log - log.max(axis=1, keepdims=True))
    place = log.argmax(axis=1)
    return place, (odds / odds.sum(axis=1, keepdims=True))[rows, place]


def _used(normaliser: Normaliser) -> list[int]:
    """Places of the columns that hold values, and not whether there is one."""
    return [place for place, name in enumerate(normaliser.columns) if not name.endswith(":unknown")]
