"""The values that cross the store: what a producer gives, and what a reader gets."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.datascience.features.kinds import NUMBERS, FeatureSet, Kind, Values
from core.kit.errors import BadAnswer

_HEAD = struct.Struct("<HqqH")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAN = float("nan")
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Key:
    """One set of one entity."""

    feature_set: FeatureSet
    entity_id: UUID


@dataclass(frozen=True, slots=True)
class Given:
    """What was computed of one entity at one moment, and from which event it follows. `known_at` None: from now on."""

    feature_set: FeatureSet
    entity_id: UUID
    at: datetime
    values: Mapping[str, Any]
    cause: UUID | None = None
    cause_type: str = "BATCH"
    known_at: datetime | None = None

    @property
    def key(self) -> Key:
        return Key(self.feature_set, self.entity_id)


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest values of one set."""

    event_at: datetime
    written_at: datetime
    values: Values


def to_us(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // _US


def from_us(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def pack(feature_set: FeatureSet, stored: Stored) -> bytes:
    """One entity's values as few bytes: times, the numbers as float64, the rest as JSON. Equal values, equal bytes."""
    numbers = feature_set.numbers
    found = array("d", [_NAN if (v := stored.values[name]) is None else v for name in numbers])
    rest = {name: value for name, value in stored.values.items() if name not in numbers}
    head = _HEAD.pack(feature_set.version, to_us(stored.event_at), to_us(stored.written_at), len(numbers))
    tail = json.dumps(rest, separators=(",", ":"), sort_keys=True).encode() if rest else b""
    return head + found.tobytes() + tail


def unpack(feature_set: FeatureSet, raw: bytes) -> Stored:
    """Raises `BadAnswer` for bytes of another version."""
    names = feature_set.numbers
    try:
        version, event_us, written_us, count = _HEAD.unpack_from(raw)
        if (version, count) != (feature_set.version, len(names)):
            raise BadAnswer("The cached features are of another version.")
        end = _HEAD.size + 8 * count
        numbers = array("d")
        numbers.frombytes(raw[_HEAD.size : end])
        rest = json.loads(raw[end:]) if len(raw) > end else {}
        values: Values = {n: None if v != v else v for n, v in zip(names, numbers, strict=True)}
    except (struct.error, ValueError) as error:
        raise BadAnswer("The cached features cannot be read.") from error
    if rest:
        values = {name: values[name] if name in values else rest.get(name) for name in feature_set.names}
    return Stored(from_us(event_us), from_us(written_us), values)


def fill(feature_set: FeatureSet, values: Mapping[str, Any]) -> Values:
    """What JSON gave back, in the order and the types of the definition."""
    return {
        feature.name: _typed(feature.kind, values.get(feature.name)) for feature in feature_set.features
    }  # fmt: skip


def _typed(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind in NUMBERS:
        return float(value)
    if kind is Kind.VECTOR:
        return [float(one) for one in value]
    return {term: float(count) for term, count in value.items()} if kind is Kind.TEXT else value
