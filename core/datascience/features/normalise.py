"""From values to the columns that a model reads: scaled numbers, categories as places in a table, words by TF-IDF.

Fitted in training on what the model learns from, and never on more; travels with the model as JSON; applied in serving
by the code that applied it in training.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.datascience.features.kinds import NUMBERS, FeatureSet, Kind
from core.kit.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rows = Sequence[Mapping[str, Any]]

MOST_CATEGORIES = 50
MOST_WORDS = 500
LEAST_DOCUMENTS = 2
OTHER = "_other"


class Part(Protocol):
    """What one feature becomes. `columns`: what each column is, after the feature's name."""

    @property
    def columns(self) -> Sequence[str]: ...

    def apply(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """float64 (values, columns)."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Scale:
    """(value - mean) / scale; what is not known lies in the middle, and a column says so."""

    mean: float
    scale: float

    @property
    def columns(self) -> Sequence[str]:
        return ("", "unknown")

    @classmethod
    def fit(cls, values: Sequence[float | None]) -> Scale:
        known = [value for value in values if value is not None]
        if not known:
            return cls(0.0, 1.0)
        mean = math.fsum(known) / len(known)
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
        return cls(mean, spread if spread > 1e-12 * max(1.0, abs(mean)) else 1.0)

    def apply(self, values: Sequence[float | None]) -> NDArray[np.float64]:
        import numpy as np

        return np.array(
            [[0.0, 1.0] if value is None else [(value - self.mean) / self.scale, 0.0] for value in values], np.float64
        ).reshape(len(values), 2)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "scale", "mean": self.mean, "scale": self.scale}


@dataclass(frozen=True, slots=True)
class Categories:
    """One column for each word that was seen often, one for all others; none is set where nothing is known."""

    words: tuple[str, ...]

    @property
    def columns(self) -> Sequence[str]:
        return (*self.words, OTHER)

    @classmethod
    def fit(cls, values: Sequence[str | None]) -> Categories:
        counts = Counter(value for value in values if value is not None)
        often = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_CATEGORIES]
        return cls(tuple(sorted(word for word, _ in often)))

    def apply(self, values: Sequence[str | None]) -> NDArray[np.float64]:
        import numpy as np

        places = {word: place for place, word in enumerate(self.words)}
        table = np.zeros((len(values), len(self.words) + 1))
        for row, value in enumerate(values):
            if value is not None:
                table[row, places.get(value, len(self.words))] = 1.0
        return table

    def to_json(self) -> dict[str, Any]:
        return {"kind": "categories", "words": list(self.words)}


@dataclass(frozen=True, slots=True)
class TfIdf:
    """How often a word was said, weighed by how rare it is (Spärck Jones, 1972), each text of unit length. The same
    as scikit-learn's `TfidfTransformer` over the same counts."""

    words: tuple[str, ...]
    weights: tuple[float, ...]

    @property
    def columns(self) -> Sequence[str]:
        return self.words

    @classmethod
    def fit(
        cls, texts: Sequence[Mapping[str, float] | None], *, most: int = MOST_WORDS, least: int = LEAST_DOCUMENTS
    ) -> TfIdf:
        """The words of most texts, in at least `least` of them."""
        known = [text for text in texts if text is not None]
        counts = Counter(word for text in known for word, count in text.items() if count > 0)
        often = sorted((pair for pair in counts.items() if pair[1] >= least), key=lambda pair: (-pair[1], pair[0]))
        kept = dict(sorted(often[:most]))
        return cls(tuple(kept), tuple(math.log((1 + len(known)) / (1 + count)) + 1 for count in kept.values()))

    def apply(self, values: Sequence[Mapping[str, float] | None]) -> NDArray[np.float64]:
        import numpy as np

        places = {word: place for place, word in enumerate(self.words)}
        table = np.zeros((len(values), len(self.words)))
        for row, text in enumerate(values):
            for word, count in (text or {}).items():
                if word in places:
                    table[row, places[word]] = count * self.weights[places[word]]
        unit: NDArray[np.float64] = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
        return unit

    def to_json(self) -> dict[str, Any]:
        return {"kind": "tfidf", "words": list(self.words), "weights": list(self.weights)}


@dataclass(frozen=True, slots=True)
class AsItIs:
    """A vector whose engine has scaled it already; of another length than in training it says nothing."""

    size: int

    @property
    def columns(self) -> Sequence[str]:
        return [str(place) for place in range(self.size)]

    @classmethod
    def fit(cls, values: Sequence[Sequence[float] | None]) -> AsItIs:
        return cls(max((len(value) for value in values if value is not None), default=0))

    def apply(self, values: Sequence[Sequence[float] | None]) -> NDArray[np.float64]:
        import numpy as np

        nothing = [0.0] * self.size
        fits = [value if value is not None and len(value) == self.size else nothing for value in values]
        return np.array(fits, np.float64).reshape(len(values), self.size)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "vector", "size": self.size}


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The parts of one set, by feature. `set_version`: the definition it was fitted on."""

    set_name: str
    set_version: int
    parts: Mapping[str, Part]

    @classmethod
    def fit(cls, feature_set: FeatureSet, rows: Rows, names: Iterable[str] | None = None) -> Normaliser:
        """`rows`: of the training period alone."""
        parts: dict[str, Part] = {}
        for name in names if names is not None else feature_set.names:
            values = [row.get(name) for row in rows]
            parts[name] = _fitted(feature_set.feature(name).kind, values)
        return cls(feature_set.name, feature_set.version, parts)

    @property
    def columns(self) -> list[str]:
        return [f"{name}:{column}" if column else name for name, part in self.parts.items() for column in part.columns]

    def apply(self, rows: Rows) -> NDArray[np.float64]:
        """float64 (rows, columns); no value is missing in it."""
        import numpy as np

        blocks = [part.apply([row.get(name) for row in rows]) for name, part in self.parts.items()]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(rows), 0))

    def to_json(self) -> str:
        """Equal normalisers give equal text."""
        parts = [{"feature": name, **part.to_json()} for name, part in self.parts.items()]
        return json.dumps({"set": self.set_name, "version": self.set_version, "parts": parts}, ensure_ascii=False)

    @classmethod
    def from_json(cls, raw: str | bytes) -> Normaliser:
        """Raises `BadAnswer` for what is no normaliser."""
        try:
            told = json.loads(raw)
            parts = {str(one["feature"]): _read(one) for one in told["parts"]}
            return cls(str(told["set"]), int(told["version"]), parts)
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnswer("The model's normaliser cannot be read. Train it again.") from error


def _fitted(kind: Kind, values: Sequence[Any]) -> Part:
    if kind in NUMBERS:
        return Scale.fit(values)
    if kind is Kind.CATEGORICAL:
        return Categories.fit(values)
    return TfIdf.fit(values) if kind is Kind.TEXT else AsItIs.fit(values)


def _read(raw: Mapping[str, Any]) -> Part:
    if raw["kind"] == "scale":
        return Scale(float(raw["mean"]), float(raw["scale"]))
    if raw["kind"] == "categories":
        return Categories(tuple(map(str, raw["words"])))
    if raw["kind"] == "tfidf":
        words, weights = tuple(map(str, raw["words"])), tuple(map(float, raw["weights"]))
        if len(words) != len(weights):
            raise ValueError("each word has its weight")
        return TfIdf(words, weights)
    if raw["kind"] == "vector":
        return AsItIs(int(raw["size"]))
    raise ValueError("no part of a normaliser")
