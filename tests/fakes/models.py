"""Small models that were really fitted, as bundles; and a little network written down by hand."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.datascience.models.bundle import Feature, Member, Meta, Stack, pack
from core.datascience.models.scorers import Inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ("size", "age", "calls", "mood", "rank", "noise")
Files = dict[str, bytes]


def meta(algorithm: Any, names: Sequence[str] = NAMES, **more: Any) -> Meta:
    features = tuple(Feature(name=name, low=-10, high=10) for name in names)
    return Meta(**{"algorithm": algorithm, "context": "forecast", "features": features, **more})


def data(rows: int = 2000, *, seed: int = 5, features: int = len(NAMES)) -> tuple[Any, Any]:
    """Some of it unknown; the outcome turns on the first few columns, two of them together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    margin = x[:, 0] - 0.7 * x[:, 1] + x[:, 1] * x[:, 2]
    y = (margin + rng.normal(size=rows) > 0).astype(np.float64)
    x[rng.random(x.shape) < 0.08] = np.nan
    return x, y


def logistic(x: Any, y: Any) -> Files:
    fill = np.nanmedian(x, axis=0)
    filled = np.where(np.isnan(x), fill, x)
    mean, scale = filled.mean(axis=0), filled.std(axis=0)
    z = np.column_stack([(filled - mean) / scale, np.ones(len(x))])
    weights = np.zeros(z.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-z @ weights))
        curvature = (z * (p * (1 - p))[:, None]).T @ z + 1e-3 * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, z.T @ (p - y) + 1e-3 * weights)
    return {"weights.npz": npz(fill=fill, mean=mean, scale=scale, coef=weights[:-1], intercept=weights[-1:])}


def xgboost(x: Any, y: Any, *, depth: int = 4, rounds: int = 30, **more: Any) -> Files:
    import xgboost as xgb

    how = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.2, "nthread": 1, "seed": 7, **more}
    return {"model.ubj": bytes(xgb.train(how, xgb.DMatrix(x, y), rounds).save_raw("ubj"))}


def lightgbm(x: Any, y: Any, *, leaves: int = 12, rounds: int = 30, **more: Any) -> Files:
    import lightgbm as lgb

    how = {"objective": "binary", "num_leaves": leaves, "num_threads": 1, "verbosity": -1, "seed": 7, **more}
    return {"model.txt": lgb.train(how, lgb.Dataset(x, y), rounds).model_to_string().encode()}


def ensemble(members: dict[str, Files], weights: Sequence[float], shift: float, **more: Any) -> bytes:
    """`members`: algorithm → its files."""
    named = tuple(Member(folder=str(place), algorithm=name) for place, name in enumerate(members))  # type: ignore[arg-type]
    files = {f"{place}/{n}": raw for place, held in enumerate(members.values()) for n, raw in held.items()}
    stack = Stack(weights=tuple(weights), shift=shift)
    return pack(meta("ensemble", members=named, stack=stack, **more), files)


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def sequences(rows: int, *, features: int, channels: int = 3, steps: int = 6, seed: int = 3) -> Inputs:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, steps + 1, rows)
    events = rng.normal(size=(rows, steps, channels)).astype(np.float32)
    events[np.arange(steps)[None, :] >= lengths[:, None]] = 0
    return Inputs(rng.normal(size=(rows, features)).astype(np.float32), events, lengths.astype(np.int64))


def lstm(*, features: int, background: Inputs, hidden: int = 4, seed: int = 1) -> Files:
    """An LSTM over `events`, its last state beside `static` through a hidden layer: chance weights, real operators."""
    import onnx
    from onnx import TensorProto, helper

    assert background.events is not None
    channels = background.events.shape[2]
    rng = np.random.default_rng(seed)
    weights = {
        "w": rng.normal(size=(1, 4 * hidden, channels)), "r": rng.normal(size=(1, 4 * hidden, hidden)),
        "first": rng.normal(size=(hidden + features, 8)), "second": rng.normal(size=(8, 1)),
    }  # fmt: skip
    held = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    held += [onnx.numpy_helper.from_array(np.array([-1], np.int64), "flat")]
    held += [onnx.numpy_helper.from_array(np.array([0], np.int64), "zero")]
    nodes = [
        helper.make_node("Cast", ["lengths"], ["counts"], to=TensorProto.INT32),
        helper.make_node("Transpose", ["events"], ["by_step"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["by_step", "w", "r", "", "counts"], ["", "last"], hidden_size=hidden),
        helper.make_node("Squeeze", ["last", "zero"], ["state"]),
        helper.make_node("Concat", ["state", "static"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "first"], ["layer"]),
        helper.make_node("Tanh", ["layer"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["margin"]),
    ]
    shaped: Callable[..., Any] = helper.make_tensor_value_info
    given = [
        shaped("events", TensorProto.FLOAT, ["rows", "steps", channels]),
        shaped("lengths", TensorProto.INT64, ["rows"]), shaped("static", TensorProto.FLOAT, ["rows", features]),
    ]  # fmt: skip
    graph = helper.make_graph(nodes, "sequence", given, [shaped("margin", TensorProto.FLOAT, ["rows"])], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    kept = npz(static=background.x, events=background.events, lengths=background.lengths)
    return {"model.onnx": model.SerializeToString(), "background.npz": kept}


def finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nan_to_num(x).astype(np.float32)
