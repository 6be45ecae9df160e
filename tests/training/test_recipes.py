"""Recipes are typed: the ones that come with the product fit, and a wrong one says what to mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from core.settings import configs_dir
from training import recipes
from training.recipes import ALGORITHMS, CustomersRecipe, ForecastingRecipe, RecipeError, XgboostRecipe


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_has_a_recipe(algorithm: str) -> None:
    recipe = recipes.of(algorithm)
    assert algorithm == recipe.model_dump()["algorithm"]
    for path in recipe.search:
        low = recipe.changed({path: recipe.search[path].low if not recipe.search[path].whole else 2})
        assert low != recipe


def test_every_file_of_recipes_is_read() -> None:
    names = {path.stem for path in (configs_dir() / "training").glob("*.yaml")}
    assert names == {*ALGORITHMS, "forecasting", "customers"}
    assert isinstance(recipes.forecasting(), ForecastingRecipe)
    assert isinstance(recipes.customers(), CustomersRecipe)


def test_parameters_keep_the_names_of_their_library() -> None:
    how = recipes.of("xgboost").changed({"booster.lambda": 2.5, "rounds": 7}).how()
    assert (how["booster"]["lambda"], how["rounds"]) == (2.5, 7)
    assert {"search", "algorithm"} & how.keys() == set()


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "training").mkdir()
    (folder / "training" / "xgboost.yaml").write_text(text)
    monkeypatch.setenv("SALESEDGE_CONFIGS", str(folder))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"booster": {"eta": 3}}, "booster.eta: Input should be less than or equal to 1 (now: 3)"),
        ({"booster": {"depth": 3}}, "booster.depth: Extra inputs are not permitted (now: 3)"),
        ({"rounds": "many"}, "rounds: Input should be a valid integer"),
        ({"search": {"booster.depth": {"low": 1, "high": 2}}}, "search.booster.depth: there is no such parameter"),
        ({"search": {"rounds": {"low": 5, "high": 2}}}, "search.rounds: low must lie under high"),
    ],
)
def test_a_wrong_recipe_says_what_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], told: str
) -> None:
    written(tmp_path, monkeypatch, yaml.safe_dump({"algorithm": "xgboost", **change}))
    with pytest.raises(RecipeError) as refused:
        recipes.of("xgboost")
    assert "configs/training/xgboost.yaml: " in refused.value.detail
    assert told in refused.value.detail
    assert refused.value.detail.endswith("Mend the file.")


def test_every_mistake_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, "algorithm: xgboost\nrounds: 0\nbooster: {eta: 2, subsample: 9}\n")
    with pytest.raises(RecipeError) as refused:
        recipes.of("xgboost")
    assert len(refused.value.detail.splitlines()) == 3


def test_what_is_no_yaml_or_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, "algorithm: [")
    with pytest.raises(RecipeError, match="no YAML at line"):
        recipes.of("xgboost")
    with pytest.raises(RecipeError, match=r"lightgbm\.yaml: cannot be read"):
        recipes.of("lightgbm")
    with pytest.raises(RecipeError, match="Choose one of logistic, xgboost"):
        recipes.of("oracle")


def test_a_parameter_is_checked_however_it_is_set() -> None:
    with pytest.raises(ValidationError):
        recipes.of("xgboost").changed({"booster.max_depth": 99})
    assert isinstance(recipes.of("xgboost"), XgboostRecipe)


def test_a_split_leaves_something_to_measure_on() -> None:
    with pytest.raises(ValidationError, match=r"at least 0\.05"):
        ForecastingRecipe.model_validate({"split": {"train": 0.8, "calibration": 0.18}})
