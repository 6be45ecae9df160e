"""What a definition says, and the checks that every definition and every value passes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.kit.errors import FieldProblem, Invalid
from core.kit.events import EventType

Value = float | str | Mapping[str, float] | Sequence[float] | None
Values = dict[str, Any]
"""Name → number, word, words counted, or vector; None: not known."""

MOST_TERMS = 2_000
MOST_TERM_LETTERS = 64
MOST_DIMENSIONS = 4_096
MOST_LETTERS = 64  # of a category
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Entity(StrEnum):
    """What a feature is about. A seller is a user, a call one conversation."""

    DEAL = "deal"
    ACCOUNT = "account"
    CONTACT = "contact"
    SELLER = "seller"
    CALL = "call"


class Kind(StrEnum):
    """`numeric` and `behaviour` (how somebody talks) are numbers, `categorical` a word, `text` words with how often
    each was said, `vector` numbers that mean something only together."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEXT = "text"
    VECTOR = "vector"
    BEHAVIOUR = "behaviour"


NUMBERS = frozenset({Kind.NUMERIC, Kind.BEHAVIOUR})


@dataclass(frozen=True, slots=True)
class Feature:
    """One value. `window_days`: how far back it looks, None: to the beginning. `size`: of a vector, None: as the engine
    gives it. `low` and `high`: no value lies outside."""

    name: str
    kind: Kind
    pt: str
    en: str
    window_days: int | None = None
    size: int | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features that are computed together. `module` computes them, `sources` are the facts after which it does.

    Another meaning of a value is another `version`: both stay readable, and nothing mixes them. `fresh_days`: older
    values are reported as stale. `only_for`: where the law or our word bounds what it may be used for.
    """

    name: str
    entity: Entity
    version: int
    module: str
    sources: tuple[EventType, ...]
    fresh_days: int
    pt: str
    en: str
    features: tuple[Feature, ...]
    only_for: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features if feature.kind in NUMBERS)

    def feature(self, name: str) -> Feature:
        return next(feature for feature in self.features if feature.name == name)


def wrong(feature_set: FeatureSet) -> list[str]:
    """What is wrong with a definition; nothing where all is well."""
    problems = [] if _NAME.fullmatch(feature_set.name) else [f"{feature_set.name}: no name"]
    if feature_set.version < 1 or feature_set.fresh_days < 1 or not feature_set.features:
        problems.append(f"{feature_set.name}: needs a version and days from 1 up, and features")
    if len(set(feature_set.names)) != len(feature_set.features):
        problems.append(f"{feature_set.name}: two features bear one name")
    for feature in feature_set.features:
        place = f"{feature_set.name}.{feature.name}"
        if not _NAME.fullmatch(feature.name):
            problems.append(f"{place}: no name")
        if not feature.pt.strip() or not feature.en.strip() or not feature_set.pt or not feature_set.en:
            problems.append(f"{place}: is described in both languages")
        if feature.size is not None and (feature.kind is not Kind.VECTOR or not 1 <= feature.size <= MOST_DIMENSIONS):
            problems.append(f"{place}: only vectors have a size, up to {MOST_DIMENSIONS}")
        if (feature.low is not None or feature.high is not None) and feature.kind not in NUMBERS:
            problems.append(f"{place}: only numbers have bounds")
        if feature.window_days is not None and feature.window_days < 1:
            problems.append(f"{place}: a window is at least a day")
    return problems


def checked(feature_set: FeatureSet, given: Mapping[str, Any], *, at: str = "values") -> Values:
    """The values in the order of the definition, None for what was left out. Raises `Invalid`, naming each field."""
    problems = [
        FieldProblem(f"{at}.{name}", f"the set {feature_set.name} has no such feature")
        for name in given
        if name not in feature_set.names
    ]
    found: Values = {}
    for feature in feature_set.features:
        try:
            found[feature.name] = _checked(feature, given.get(feature.name))
        except ValueError as error:
            problems.append(FieldProblem(f"{at}.{feature.name}", str(error)))
    if problems:
        raise Invalid("Some values do not fit their definition. GET /v1/insights/features shows it.", problems=problems)
    return found


def _checked(feature: Feature, value: Any) -> Any:
    if value is None:
        return None
    if feature.kind in NUMBERS:
        return _number(value, feature.low, feature.high)
    if feature.kind is Kind.CATEGORICAL:
        if not isinstance(value, str) or not 1 <= len(value) <= MOST_LETTERS or "\0" in value:
            raise ValueError(f"a category is a text of 1 to {MOST_LETTERS} letters")
        return value
    if feature.kind is Kind.TEXT:
        return _terms(value)
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= MOST_DIMENSIONS:
        raise ValueError("a vector is a list of numbers")
    if feature.size is not None and len(value) != feature.size:
        raise ValueError(f"this vector has {feature.size} numbers")
    return [_number(one, None, None) for one in value]


def _number(value: Any, low: float | None, high: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a finite number")
    number = float(value) + 0.0  # no -0.0: it would equal 0.0 and differ in bytes
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"lies outside of {low} to {high}")
    return number


def _terms(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or len(value) > MOST_TERMS:
        raise ValueError(f"a text is at most {MOST_TERMS} terms with how often each was said")
    if any(not isinstance(t, str) or not 1 <= len(t) <= MOST_TERM_LETTERS or "\0" in t for t in value):
        raise ValueError(f"a term has 1 to {MOST_TERM_LETTERS} letters")
    return {term: _number(value[term], 0.0, None) for term in sorted(value)}
