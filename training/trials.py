"""What Ray Tune runs and keeps of a search: one trial, and who tells how far the search is.

Tune writes the callback into the search's folder and takes it from there when the search goes on, in another process.
So whoever listens is no part of it: he is looked up by the folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ray import tune

Judge = Callable[[Mapping[str, Any], int], float]
"""Takes parameters as an algorithm reads them and the number of a fold, gives the loss there."""
LISTENERS: dict[str, Callable[[int], None]] = {}
"""Folder of a search → who in this process hears how many of its trials are over."""


class Reader(Protocol):
    def __call__(self, config: Mapping[str, Any]) -> Mapping[str, Any]: ...


def trial(config: dict[str, Any], *, read: Reader, judge: Judge, count: int) -> None:
    """Reports the mean loss after each of `count` folds; what is done already is in the checkpoint. `read`: Optuna's
    values as parameters."""
    losses: list[float] = []
    begun = tune.get_checkpoint()
    if begun is not None:
        with begun.as_directory() as at:
            losses = json.loads((Path(at) / "losses.json").read_text("utf-8"))
    how = read(config)
    for fold in range(len(losses), count):
        losses.append(judge(how, fold))
        with tempfile.TemporaryDirectory() as made:
            (Path(made) / "losses.json").write_text(json.dumps(losses), "utf-8")
            told = {"loss": sum(losses) / len(losses), "folds": len(losses)}
            tune.report(told, checkpoint=tune.Checkpoint.from_directory(made))


class Watch(tune.Callback):
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        if (heard := LISTENERS.get(self.folder)) is not None:
            heard(sum(one.is_finished() for one in trials))
