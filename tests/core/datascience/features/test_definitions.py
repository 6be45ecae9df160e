"""Definitions are whole, and values that do not fit them are refused by name."""

from __future__ import annotations

import dataclasses
import importlib
import math
from typing import Any

import pytest

from core.datascience.features.definitions import ALL, DEAL, by_name, named
from core.datascience.features.kinds import Entity, Feature, FeatureSet, Kind, checked, wrong
from core.flows import REACTIONS
from core.forecasting.features import NAMES
from core.kit.errors import Invalid, NotFound

SET = FeatureSet(
    "taste", Entity.DEAL, 1, "core.forecasting.features", (), 7, "gosto", "taste",
    (
        Feature("sweet", Kind.NUMERIC, "doce", "sweet", low=0, high=1),
        Feature("kind", Kind.CATEGORICAL, "tipo", "kind"),
        Feature("words", Kind.TEXT, "palavras", "words"), Feature("place", Kind.VECTOR, "lugar", "place", size=2),
    ),
)  # fmt: skip
VALUES: dict[str, Any] = {"sweet": 1, "kind": "fruit", "words": {"b": 2, "a": 1}, "place": [0.5, 1]}


def test_every_definition_is_in_order() -> None:
    assert set(by_name()) == {one.name for one in ALL}
    assert {kind for one in ALL for kind in (f.kind for f in one.features)} == set(Kind)
    assert {one.entity for one in ALL} == set(Entity)


def test_every_set_names_a_module_that_is_there_and_facts_that_somebody_reacts_to() -> None:
    heard = {reaction.on for reaction in REACTIONS if reaction.name.startswith("features.")}
    for one in ALL:
        assert importlib.import_module(one.module)
        assert set(one.sources) <= heard, one.name


def test_the_deal_has_the_features_that_models_are_fitted_on() -> None:
    assert DEAL.names == NAMES


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Taste!"}, "no name"),
        ({"version": 0}, "from 1 up"),
        ({"features": ()}, "features"),
        ({"features": (SET.features[0], SET.features[0])}, "one name"),
        ({"features": (Feature("x", Kind.NUMERIC, "", "x"),)}, "both languages"),
        ({"features": (Feature("x", Kind.NUMERIC, "x", "x", size=3),)}, "only vectors"),
        ({"features": (Feature("x", Kind.VECTOR, "x", "x", low=0),)}, "only numbers"),
        ({"features": (Feature("x", Kind.NUMERIC, "x", "x", window_days=0),)}, "at least a day"),
    ],
)
def test_a_wrong_definition_is_told(change: dict[str, Any], told: str) -> None:
    assert wrong(SET) == []
    assert any(told in problem for problem in wrong(dataclasses.replace(SET, **change)))


def test_values_come_in_the_order_and_types_of_the_definition() -> None:
    found = checked(SET, VALUES)
    assert list(found) == ["sweet", "kind", "words", "place"]
    assert found == {"sweet": 1.0, "kind": "fruit", "words": {"a": 1.0, "b": 2.0}, "place": [0.5, 1.0]}
    assert list(found["words"]) == ["a", "b"]
    assert checked(SET, {}) == dict.fromkeys(SET.names)


def test_minus_nought_is_nought() -> None:
    assert math.copysign(1, checked(SET, {"sweet": -0.0})["sweet"]) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sweet", 1.1), ("sweet", -0.1), ("sweet", math.nan), ("sweet", math.inf), ("sweet", "1"), ("sweet", True),
        ("kind", 3), ("kind", ""), ("kind", "x" * 65), ("kind", "a\0"), ("words", "a b"), ("words", {"a": -1}),
        ("words", {"x" * 65: 1}), ("words", {1: 1}), ("place", [1]), ("place", [1, math.nan]), ("place", "12"),
        ("unknown", 1),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        checked(SET, {**VALUES, name: value})
    assert [problem.field for problem in refused.value.problems] == [f"values.{name}"]


def test_an_unknown_set_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="deal_score"):
        named("deals")
