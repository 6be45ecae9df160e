"""Many rows of one set as columns: what Parquet holds, what joins ask, what training is fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from core.datascience.features.asof import Log, Questions, as_of
from core.datascience.features.kinds import FeatureSet
from core.datascience.features.row import to_us

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Written(Protocol):
    """A row as the database gives it."""

    @property
    def entity_id(self) -> UUID: ...
    @property
    def event_at(self) -> datetime: ...
    @property
    def known_at(self) -> datetime: ...
    @property
    def values(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Table:
    """Rows of one set in the order of writing. `numbers`: float64 (rows, numeric features), NaN where not known;
    `others`: name → values of the features that are no numbers; times int64 (rows,), microseconds since 1970."""

    feature_set: FeatureSet
    ids: Sequence[bytes]  # of entities, 16 bytes each
    event_us: NDArray[np.int64]
    known_us: NDArray[np.int64]
    numbers: NDArray[np.float64]
    others: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def places(
        self, ids: Sequence[UUID], at: Sequence[datetime], known_by: Sequence[datetime] | None = None, *,
        most_age_days: float | None = None,
    ) -> NDArray[np.int64]:  # fmt: skip
        """int64 (questions,): the row that answers each question, -1 where none does. `known_by` None: what was known
        at the moment itself, so that nothing that was learnt or corrected later is in it."""
        import numpy as np

        codes = {name: code for code, name in enumerate(dict.fromkeys(self.ids))}
        entity = np.fromiter((codes[name] for name in self.ids), np.int64, len(self.ids))
        wanted = np.fromiter((codes.get(one.bytes, -1) for one in ids), np.int64, len(ids))
        at_us = _times(at)
        known_us = at_us if known_by is None else _times(known_by)
        most_age_us = None if most_age_days is None else round(most_age_days * 86_400_000_000)
        log = Log(entity, self.event_us, self.known_us)
        return as_of(log, Questions(wanted, at_us, known_us), most_age_us=most_age_us)

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 (places, numeric features): NaN for -1."""
        import numpy as np

        if not len(self):
            return np.full((len(places), self.numbers.shape[1]), np.nan)
        return np.where(places[:, None] >= 0, self.numbers[places], np.nan)

    def column(self, name: str, places: NDArray[np.int64]) -> list[Any]:
        """Values of a feature that is no number."""
        return [self.others[name][place] if place >= 0 else None for place in places]


def of_rows(feature_set: FeatureSet, rows: Sequence[Written]) -> Table:
    import numpy as np

    names = feature_set.numbers
    numbers = np.array([[_number(row.values.get(n)) for n in names] for row in rows], np.float64)
    others = [name for name in feature_set.names if name not in names]
    return Table(
        feature_set, [row.entity_id.bytes for row in rows], _times(row.event_at for row in rows),
        _times(row.known_at for row in rows), numbers.reshape(len(rows), len(names)),
        {name: [row.values.get(name) for row in rows] for name in others},
    )  # fmt: skip


def joined(tables: Sequence[Table], feature_set: FeatureSet) -> Table:
    """One after the other."""
    import numpy as np

    if not tables:
        return of_rows(feature_set, [])
    others = {name: [value for one in tables for value in one.others[name]] for name in tables[0].others}
    return Table(
        feature_set, [name for one in tables for name in one.ids], np.concatenate([one.event_us for one in tables]),
        np.concatenate([one.known_us for one in tables]), np.concatenate([one.numbers for one in tables]), others,
    )  # fmt: skip


def _times(times: Iterable[datetime]) -> NDArray[np.int64]:
    import numpy as np

    return np.fromiter((to_us(at) for at in times), np.int64)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
