"""The recipes of training, typed: `configs/training/forecasting.yaml` for what is the same whichever algorithm learns,
and one file for each algorithm. A wrong one stops a job before it reads any data, with a line for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from core.kit.errors import BadInput
from core.settings import configs_dir

Share = Annotated[float, Field(gt=0, lt=1)]
Algorithm = Literal["logistic", "xgboost", "lightgbm", "lstm", "ensemble"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


class RecipeError(BadInput):
    """Each line of the message is one mistake of a recipe."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Part):
    """Where Optuna looks for one parameter."""

    low: float
    high: float
    log: bool = False
    whole: bool = Field(False, description="Whole numbers only")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("low must lie under high, and above 0 on a logarithmic scale")
        return self


class Split(Part):
    """Shares of the closed deals, by closing date; the rest, newest, only measures."""

    train: Share = 0.64
    calibration: Share = 0.16

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> Self:
        if self.train + self.calibration > 0.95:
            raise ValueError("train and calibration must leave at least 0.05 to measure on")
        return self


class Workers(Part):
    """Ray Train's share: below `from_rows` a model is fitted in the job's own process, which is quicker there."""

    count: PositiveInt = 2
    cpus: PositiveFloat = Field(1.0, description="Of each worker; a share of a core is a promise to the scheduler")
    from_rows: PositiveInt = 2_000_000


class OpenDeals(Part):
    """Self-training: open deals teach what a first model says of them, each of which it is `sure` as if it had ended
    so, or, by `expected`, all of them, won as much as the model says and lost for the rest."""

    use: bool = False
    way: Literal["sure", "expected"] = "sure"
    sure: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    weight: Share = 0.5


class ForecastingRecipe(Part):
    snapshot_every_days: PositiveFloat = 7
    split: Split = Split()
    folds: Annotated[int, Field(ge=2, le=10)] = Field(3, description="Of the time-ordered cross-validation")
    workers: Workers = Workers()
    open_deals: OpenDeals = OpenDeals()


class AlgorithmRecipe(Part):
    """`search`: parameter, by its path in the recipe, and where `--tune` looks for it."""

    search: Mapping[str, Range] = {}

    @model_validator(mode="after")
    def _search_names_parameters(self) -> Self:
        for path in self.search:
            if _at(self.model_dump(by_alias=True), path) is None:
                raise ValueError(f"search.{path}: there is no such parameter in this recipe")
        return self

    def how(self) -> dict[str, Any]:
        """As an algorithm reads it."""
        return self.model_dump(exclude={"algorithm", "search"}, by_alias=True)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """The same with some parameters, by their paths, set to other values."""
        tree = self.model_dump(by_alias=True)
        for path, value in values.items():
            *above, last = path.split(".")
            below = tree
            for name in above:
                below = below[name]
            below[last] = value
        return type(self).model_validate(tree)


class LogisticRecipe(AlgorithmRecipe):
    algorithm: Literal["logistic"]
    c: PositiveFloat = Field(1.0, description="The smaller, the more weights are pulled to 0")


class XgboostParameters(Part):
    """Names as XGBoost has them."""

    objective: Literal["binary:logistic"] = "binary:logistic"
    eval_metric: Literal["logloss"] = "logloss"
    tree_method: Literal["hist"] = "hist"
    eta: Annotated[float, Field(gt=0, le=1)] = 0.06
    max_depth: Annotated[int, Field(ge=1, le=16)] = 4
    min_child_weight: Annotated[float, Field(ge=0)] = 8
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = 0.7
    lambda_: Annotated[float, Field(ge=0, alias="lambda")] = 4.0
    gamma: Annotated[float, Field(ge=0)] = 0.0
    seed: int = 7


class XgboostRecipe(AlgorithmRecipe):
    algorithm: Literal["xgboost"]
    rounds: PositiveInt = 160
    booster: XgboostParameters = XgboostParameters()
    checkpoint_every_rounds: PositiveInt = Field(500, description="On Ray Train; each costs about two seconds")


class LightgbmParameters(Part):
    """Names as LightGBM has them."""

    objective: Literal["binary"] = "binary"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    num_leaves: Annotated[int, Field(ge=2, le=1024)] = 15
    min_data_in_leaf: PositiveInt = 40
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.8
    bagging_freq: Annotated[int, Field(ge=0)] = 1
    lambda_l2: Annotated[float, Field(ge=0)] = 4.0
    seed: int = 7


class LightgbmRecipe(AlgorithmRecipe):
    algorithm: Literal["lightgbm"]
    rounds: PositiveInt = 160
    booster: LightgbmParameters = LightgbmParameters()


class LstmRecipe(AlgorithmRecipe):
    algorithm: Literal["lstm"]
    epochs: PositiveInt = 6
    batch: PositiveInt = 256
    hidden: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    learning_rate: PositiveFloat = 0.003
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    checkpoint_every_epochs: PositiveInt = Field(2, description="Each costs about two seconds on Ray Train")
    seed: int = 7


class EnsembleRecipe(AlgorithmRecipe):
    algorithm: Literal["ensemble"]
    members: tuple[Literal["logistic", "xgboost", "lightgbm", "lstm"], ...] = ("logistic", "xgboost", "lightgbm")
    folds: Annotated[int, Field(ge=2, le=10)] = 4

    @model_validator(mode="after")
    def _several(self) -> Self:
        if len(self.members) < 2 or len(set(self.members)) != len(self.members):
            raise ValueError("an ensemble has at least two members, each once")
        return self

    def how(self) -> dict[str, Any]:
        """With the recipes of the members, as they stand in their own files."""
        return {"members": {name: of(name).how() for name in self.members}, "folds": self.folds}


class CustomersRecipe(Part):
    """Groups of customers: the number of groups is chosen in this range."""

    fewest: Annotated[int, Field(ge=2)] = 2
    most: Annotated[int, Field(le=20)] = 8
    method: Literal["kmeans", "gmm", "best"] = "best"
    least_accounts: PositiveInt = 30
    seed: int = 7


_KINDS: dict[str, type[AlgorithmRecipe]] = {
    "logistic": LogisticRecipe, "xgboost": XgboostRecipe, "lightgbm": LightgbmRecipe, "lstm": LstmRecipe,
    "ensemble": EnsembleRecipe,
}  # fmt: skip
R = TypeVar("R", bound=Part)


def forecasting() -> ForecastingRecipe:
    return read("forecasting", ForecastingRecipe)


def customers() -> CustomersRecipe:
    return read("customers", CustomersRecipe)


def of(algorithm: str) -> AlgorithmRecipe:
    if algorithm not in _KINDS:
        raise RecipeError(f"There is no algorithm {algorithm}. Choose one of {', '.join(ALGORITHMS)}.")
    return read(algorithm, _KINDS[algorithm])


def name_of(how: AlgorithmRecipe) -> str:
    return str(getattr(how, "algorithm"))  # noqa: B009 - each kind declares its own


def read(name: str, kind: type[R]) -> R:
    """Raises `RecipeError`."""
    shown = f"configs/training/{name}.yaml"
    try:
        tree = yaml.safe_load((configs_dir() / "training" / f"{name}.yaml").read_bytes())
    except OSError:
        raise RecipeError(f"{shown}: cannot be read. Write it, or set SALESEDGE_CONFIGS to the folder.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RecipeError(f"{shown}: no YAML{f' at line {mark.line + 1}' if mark else ''}. Mend the file.") from None
    try:
        return kind.model_validate(tree or {})
    except ValidationError as error:
        raise RecipeError(
            "\n".join(f"{shown}: {_line(problem)}. Mend the file." for problem in error.errors())
        ) from None


def _line(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    wrong = str(problem["msg"]).removeprefix("Value error, ")
    if not where:
        return wrong
    if problem["type"] == "missing":
        return f"{where}: is missing"
    return f"{where}: {wrong} (now: {problem['input']!r})"


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
