"""Ray Train: the same fits shared out among several workers, above a size and where there is a cluster.

A run keeps its checkpoints under its job's folder. A worker that dies is started again from the last one, and so is a
job whose own process died, once it is started under the same name. Checkpoints are few: each report of a worker costs
about two seconds.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.kit.errors import Unavailable
from training.algorithms.table import Fitted, Table
from training.recipes import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator


SHARED = ("xgboost", "lstm")
"""Algorithms whose fit can be shared out."""
MOST_FAILURES = 3


def fit(
    algorithm: str, table: Table, how: Mapping[str, Any], workers: Workers, *, folder: Path | None = None,
    name: str = "fit",
) -> Fitted:  # fmt: skip
    """With a `folder` a run of this `name` that was begun there goes on."""
    # Workers are looked after so often; it is also what each of their reports costs.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    join()
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig

    given = {"table": ray.put(table), "how": dict(how)}
    with _storage(folder) as storage:
        options: dict[str, Any] = {
            "train_loop_config": given,
            "scaling_config": ScalingConfig(
                num_workers=workers.count, resources_per_worker={"CPU": workers.cpus}
            ),
            "run_config": RunConfig(
                name=name, storage_path=str(storage), failure_config=FailureConfig(max_failures=MOST_FAILURES)
            ),
        }  # fmt: skip
        checkpoint = _trainer(algorithm, options).fit().checkpoint
        if checkpoint is None:
            raise Unavailable("The workers ended without a model. Look into their logs, then start the job again.")
        with checkpoint.as_directory() as at:
            held = {path.name: path.read_bytes() for path in Path(at).iterdir() if path.is_file()}
    if algorithm == "lstm":
        from training.algorithms import sequence

        return sequence.exported(sequence.restored(held["state.pt"], table, how), table)
    return Fitted("xgboost", {"model.ubj": held["model.ubj"]})


def join() -> None:
    """Be part of a Ray cluster: that which the process is of already, that of a job, or one on this machine alone, on
    loopback, which ends with the process."""
    import ray

    if ray.is_initialized():
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
        return
    ray.init(
        address="local", _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR,
    )  # fmt: skip


@contextmanager
def _storage(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="salesedge-train-") as made:
        yield Path(made)


def _trainer(algorithm: str, options: Mapping[str, Any]) -> Any:
    if algorithm == "lstm":
        from ray.train.torch import TorchTrainer

        return TorchTrainer(_learn_sequences, **options)
    from ray.train.xgboost import XGBoostTrainer

    return XGBoostTrainer(_grow_trees, **options)


def _grow_trees(config: dict[str, Any]) -> None:
    """Each worker holds a share of the rows; the trees are grown together, some rounds at a time. Every stretch takes a
    seed from its place, so a run that was interrupted ends with the same trees as one that was not."""
    import ray
    import ray.train
    import xgboost

    table, how = ray.get(config["table"]), config["how"]
    context = ray.train.get_context()
    mine = slice(context.get_world_rank(), None, context.get_world_size())
    data = xgboost.DMatrix(table.x[mine], table.y[mine], weight=table.weight[mine], feature_names=list(table.names))
    booster = _begun()
    done = booster.num_boosted_rounds() if booster is not None else 0
    while done < how["rounds"]:
        rounds = min(how["checkpoint_every_rounds"], how["rounds"] - done)
        parameters = {**how["booster"], "nthread": 1, "seed": how["booster"]["seed"] + done}
        booster = xgboost.train(parameters, data, rounds, xgb_model=booster)
        done += rounds
        _report({"rounds": done}, "model.ubj", bytes(booster.save_raw("ubj")))


def _begun() -> Any:
    import ray.train
    import xgboost

    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as at:
        return xgboost.Booster(model_file=str(Path(at) / "model.ubj"))


def _learn_sequences(config: dict[str, Any]) -> None:
    import ray
    import ray.train
    import ray.train.torch

    from training.algorithms import sequence

    context, checkpoint = ray.train.get_context(), ray.train.get_checkpoint()
    state = None
    if checkpoint is not None:
        with checkpoint.as_directory() as at:
            state = (Path(at) / "state.pt").read_bytes()
    sequence.learn(
        ray.get(config["table"]), config["how"], state=state,
        kept=lambda epochs, raw: _report({"epochs": epochs}, "state.pt", raw),
        rank=context.get_world_rank(), world=context.get_world_size(), wrap=ray.train.torch.prepare_model,
    )  # fmt: skip


def _report(metrics: Mapping[str, Any], name: str, data: bytes) -> None:
    """All workers report, the first of them with what is kept."""
    import ray.train

    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(dict(metrics))
        return
    with tempfile.TemporaryDirectory() as at:
        (Path(at) / name).write_bytes(data)
        ray.train.report(dict(metrics), checkpoint=ray.train.Checkpoint.from_directory(at))
