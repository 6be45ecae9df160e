"""What a bundle costs is measured in a process of its own; and how much its features matter."""

from __future__ import annotations

import numpy as np
import pytest

from core.datascience.models.bundle import Feature, Meta, pack, unpack
from core.datascience.models.cost import here, measure
from core.datascience.models.importance import importance
from core.datascience.models.scorers import Inputs
from core.kit.errors import BadAnswer


def booster(rounds: int = 20) -> bytes:
    import xgboost

    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3)).astype(np.float32)
    y = (x[:, 0] + 0.3 * x[:, 1] > 0).astype(float)
    data = xgboost.DMatrix(x, y, feature_names=["a", "b", "c"])
    fitted = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, data, rounds)
    features = tuple(Feature(name=name, low=-3, high=3) for name in "abc")
    meta = Meta(algorithm="xgboost", context="forecast", features=features)
    return pack(meta, {"model.ubj": bytes(fitted.save_raw("ubj"))})


def test_cost_is_measured_apart_and_here_alike() -> None:
    bundle = booster()
    apart, near = measure(bundle), here(bundle)
    assert 0 < apart.p95_ms < 1000
    assert 0 < near.p95_ms < 1000
    assert 0 <= apart.memory_mib < 50


def test_what_does_not_open_is_not_measured() -> None:
    with pytest.raises(BadAnswer):
        measure(b"rubbish")


def test_importance_is_the_mean_absolute_share() -> None:
    import xgboost

    bundle = booster()
    x = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    found = importance(bundle, Inputs(x))
    assert list(found) == sorted(found, key=lambda name: -found[name])
    assert next(iter(found)) == "a"
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray(unpack(bundle).files["model.ubj"]))
    shares = model.predict(xgboost.DMatrix(x, feature_names=["a", "b", "c"]), pred_contribs=True)
    for at, name in enumerate("abc"):
        assert found[name] == pytest.approx(float(np.abs(shares[:, at]).mean()), rel=1e-3, abs=1e-5)
