"""What a version said of the rows that it was not fitted on: kept beside its bundle, so that any two versions can be
compared on the rows that both held out, without either being loaded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from core.kit.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All (rows,): `row` and `deal` are numbers that are the same for the same deal and moment in any training; `won`
    0 or 1; `said` the probability after calibration."""

    row: Ids
    deal: Ids
    won: Floats
    said: Floats

    def to_bytes(self) -> bytes:
        import numpy as np

        out = io.BytesIO()
        np.savez_compressed(out, row=self.row, deal=self.deal, won=self.won, said=self.said)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Evidence:
        """Raises `BadAnswer`."""
        import numpy as np

        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as file:
                return cls(file["row"], file["deal"], file["won"], file["said"])
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise BadAnswer("A version's answers on its held-out rows cannot be read. Train it again.") from error


@dataclass(frozen=True, slots=True)
class Common:
    """The rows that two versions both held out."""

    deal: Ids
    won: Floats
    a: Floats
    b: Floats


def common(a: Evidence, b: Evidence) -> Common:
    import numpy as np

    _, at, there = np.intersect1d(a.row, b.row, return_indices=True)
    return Common(a.deal[at], a.won[at], a.said[at], b.said[there])


def number(*parts: object) -> int:
    """The same parts, the same 63-bit number, on any machine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numbers(deals: Sequence[UUID], moments: Sequence[datetime]) -> tuple[Ids, Ids]:
    """`row` and `deal` of snapshots: one deal and one moment each."""
    import numpy as np

    of_deal = [number(deal) for deal in deals]
    rows = [number(deal, moment.isoformat()) for deal, moment in zip(deals, moments, strict=True)]
    return np.array(rows, np.int64), np.array(of_deal, np.int64)
