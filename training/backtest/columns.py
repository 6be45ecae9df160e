"""Which column of a file is what, and the file as columns in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError, model_validator

from core.kit.errors import BadInput
from core.settings import configs_dir

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MATURE = 0.95
"""The share of outcomes that is known where rows are mature."""
_Names = Annotated[tuple[str, ...], Field(default=())]


class BadTable(BadInput):
    """A file or a column map that cannot be used; the message names what to mend."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(_Part):
    """`won` and `lost`: values of the column. Rows with another value are open and are left out."""

    column: str
    won: tuple[str, ...]
    lost: tuple[str, ...]


class Order(_Part):
    """What comes after what: a column of days, a column of running numbers, or the rows as they stand in the file."""

    date: str | None = None
    number: str | None = None
    rows: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.date is not None) + (self.number is not None) + self.rows != 1:
            raise ValueError("name one of date, number and rows")
        return self


class Known(_Part):
    """When an outcome is known: at a day in a column, so many days after the row's own, or so many rows later."""

    date: str | None = None
    days: NonNegativeFloat | None = None
    rows: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.date is not None) + (self.days is not None) + (self.rows is not None) != 1:
            raise ValueError("name one of date, days and rows")
        return self


class Quantity(_Part):
    """A number that is not known when the odds are asked for, and whose 90 % interval is measured: a column of numbers,
    or the days from the row's own date to that in the column `until`."""

    name: str
    column: str | None = None
    until: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.column is None) == (self.until is None):
            raise ValueError("name one of column and until")
        return self


class ColumnMap(_Part):
    """Only columns that are known when the odds are asked for belong into categories, ordered, numbers and dates."""

    file: str | None = Field(None, description="Where it lies under SALESEDGE_DATA, if no path is given")
    separator: str = ","
    outcome: Outcome
    order: Order
    known: Known
    categories: _Names
    ordered: Mapping[str, tuple[str, ...]] = Field({}, description="Categories with an order, from the least")
    numbers: _Names
    dates: _Names
    quantity: Quantity | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*self.categories, *self.ordered, *self.numbers, *self.dates)


def read_map(path: Path) -> ColumnMap:
    """Raises `BadTable` with a line for each mistake."""
    try:
        return ColumnMap.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or path.name}: {e['msg']}" for e in error.errors()]
        raise BadTable(f"The column map {path.name} cannot be used:\n" + "\n".join(lines)) from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadTable(f"The column map {path} cannot be read: {error}") from error


def map_named(name: str) -> Path:
    """A map that comes with the product, `configs/training/tables/<name>.yaml`."""
    return configs_dir() / "training" / "tables" / f"{name}.yaml"


@dataclass(frozen=True, slots=True)
class Deals:
    """Rows in order of time. `categories` and `numbers` by column, (rows,); a category is a whole number from 0, a
    number NaN where it is missing, a date in days. `at`, `known` and `mature` in days, or in rows where there are none.

    `mature` is when most outcomes of a row's age are known. Deals that end soon end differently: who counts whatever
    has ended counts mostly those, so how many are won is read off rows that are mature.
    """

    won: Floats
    at: Floats
    known: Floats
    mature: Floats
    categories: Mapping[str, NDArray[np.int64]]
    ranks: Mapping[str, Floats]
    numbers: Mapping[str, Floats]
    dates: Mapping[str, Floats]
    by_days: bool
    quantity: Floats | None = None

    def __len__(self) -> int:
        return len(self.won)


def read_deals(path: Path, columns: ColumnMap) -> Deals:
    """Raises `BadTable`. CSV, or Parquet by the ending `.parquet`."""
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep=columns.separator, low_memory=False)
    except (OSError, ValueError) as error:
        raise BadTable(f"{path} cannot be read: {error}") from error
    return from_frame(frame, columns)


def from_frame(frame: pd.DataFrame, columns: ColumnMap) -> Deals:
    """Raises `BadTable` for columns that are not there or not what the map says."""
    import numpy as np

    if missing := [name for name in _named(columns) if name not in frame.columns]:
        raise BadTable(f"There is no column {', '.join(missing)}. There are {', '.join(map(str, frame.columns))}.")
    told = frame[columns.outcome.column].astype(str)
    frame = frame[told.isin([*columns.outcome.won, *columns.outcome.lost])]
    at, by_days = _at(frame, columns.order)
    if np.isnan(at).any():
        raise BadTable(f"{int(np.isnan(at).sum())} rows have no place in time. Leave them out, or mend the order.")
    order = np.argsort(at, kind="stable")
    frame, at = frame.iloc[order], at[order]
    won = frame[columns.outcome.column].astype(str).isin(columns.outcome.won).to_numpy(np.float64)
    if not 0 < won.sum() < len(won):
        values = ", ".join(sorted(told.unique())[:9])
        raise BadTable(
            f"Of {len(won)} rows {won.sum():.0f} are won: name won and lost as the column has them, {values}."
        )
    names = (*columns.categories, *columns.ordered)
    known = _known(frame, columns.known, at, by_days)
    return Deals(
        won, at, known, _mature(at, known),
        {name: np.unique(_words(frame[name]), return_inverse=True)[1].astype(np.int64) for name in names},
        {name: _ranks(_words(frame[name]), ranks) for name, ranks in columns.ordered.items()},
        {name: _numbers(frame, name) for name in columns.numbers},
        {name: _days(frame, name) for name in columns.dates},
        by_days, _quantity(frame, columns.quantity, at),
    )  # fmt: skip


def _named(columns: ColumnMap) -> list[str]:
    asked = [columns.outcome.column, columns.order.date, columns.order.number, columns.known.date, *columns.inputs]
    if columns.quantity is not None:
        asked += [columns.quantity.column, columns.quantity.until]
    return [name for name in asked if name is not None]


def _words(column: pd.Series[Any]) -> NDArray[np.str_]:
    import numpy as np

    return np.asarray(column.astype(object).where(column.notna(), "").astype(str).str.strip(), np.str_)


def _ranks(words: NDArray[np.str_], order: tuple[str, ...]) -> Floats:
    import numpy as np

    places = {word: float(place) for place, word in enumerate(order)}
    return np.array([places.get(word, np.nan) for word in words.tolist()])


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    import numpy as np
    import pandas as pd

    found = np.asarray(pd.to_numeric(frame[name], errors="coerce"), np.float64)
    if np.isnan(found).all():
        raise BadTable(f"The column {name} holds no numbers. Make it a category, or leave it out.")
    return found


def _days(frame: pd.DataFrame, name: str) -> Floats:
    import numpy as np
    import pandas as pd

    moments = pd.to_datetime(frame[name], errors="coerce", format="mixed")
    return np.asarray((moments - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1), np.float64)


def _at(frame: pd.DataFrame, order: Order) -> tuple[Floats, bool]:
    import numpy as np

    if order.date is not None:
        return _days(frame, order.date), True
    if order.number is not None:
        numbers = _numbers(frame, order.number)
        # The first row's place among all, so that rows of one number are of one moment.
        return np.searchsorted(np.sort(numbers), numbers).astype(np.float64), False
    return np.arange(len(frame), dtype=np.float64), False


def _known(frame: pd.DataFrame, known: Known, at: Floats, by_days: bool) -> Floats:
    import numpy as np

    if known.rows is not None and not by_days:
        return at + known.rows
    if known.rows is not None or not by_days:
        raise BadTable("known: days where rows are ordered by date, rows where they are not.")
    if known.days is not None:
        return at + known.days
    assert known.date is not None
    found = _days(frame, known.date)
    return np.maximum(np.where(np.isnan(found), np.inf, found), at)


def _mature(at: Floats, known: Floats) -> Floats:
    """The time that nearly all outcomes take is read off the oldest half."""
    import numpy as np

    took = (known - at)[: max(1, len(at) // 2)]
    took = took[np.isfinite(took)]
    return np.maximum(known, at + (float(np.quantile(took, MATURE)) if took.size else 0.0))


def _quantity(frame: pd.DataFrame, quantity: Quantity | None, at: Floats) -> Floats | None:
    if quantity is None:
        return None
    return _numbers(frame, quantity.column) if quantity.column is not None else _days(frame, str(quantity.until)) - at
