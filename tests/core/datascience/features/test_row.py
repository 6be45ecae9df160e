"""What is packed for the cache comes back as it was, and equal values are equal bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.datascience.features.definitions import CALL_TEXT, DEAL, DEAL_SCORE
from core.datascience.features.kinds import NUMBERS, Feature, FeatureSet, Kind, checked
from core.datascience.features.row import Stored, fill, from_us, pack, to_us, unpack
from core.kit.errors import BadAnswer

TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def value(feature: Feature) -> st.SearchStrategy[Any]:
    if feature.kind in NUMBERS:
        return st.floats(feature.low, feature.high, allow_nan=False, allow_infinity=False)
    if feature.kind is Kind.CATEGORICAL:
        return st.text("abcé\n", min_size=1, max_size=8)
    if feature.kind is Kind.TEXT:
        return st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(0, 99), max_size=4)
    return st.lists(FLOATS, min_size=feature.size or 1, max_size=feature.size or 5)


def values(of: FeatureSet) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({feature.name: st.none() | value(feature) for feature in of.features})


SETS = st.sampled_from([DEAL, DEAL_SCORE, CALL_TEXT])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SETS.flatmap(lambda of: st.tuples(st.just(of), values(of))), TIMES, TIMES)
def test_what_is_packed_comes_back(given_: tuple[FeatureSet, dict[str, Any]], event_at: datetime, at: datetime) -> None:
    of, found = given_
    stored = Stored(event_at, at, checked(of, found))
    raw = pack(of, stored)
    back = unpack(of, raw)
    assert back == stored
    assert list(back.values) == list(of.names)
    assert pack(of, back) == raw
    assert fill(of, dict(reversed(stored.values.items()))) == stored.values


@given(TIMES)
def test_times_are_kept_to_the_microsecond(at: datetime) -> None:
    assert from_us(to_us(at)) == at


def test_bytes_of_another_version_are_refused() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    raw = pack(DEAL, Stored(now, now, checked(DEAL, {})))
    for broken in (b"", raw[:20], b"\x02" + raw[1:], raw[:-3]):
        with pytest.raises(BadAnswer):
            unpack(DEAL, broken)
