"""Trainings on a real cluster: a process of its own for each, which outlives its starter and is found when it dies."""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from uuid import UUID

import pytest

from actors.training import RayTrainer
from core.datascience.training.trainer import Trainer
from tests.contracts.test_trainer import TrainerContract
from tests.e2e.house import House

pytestmark = [pytest.mark.cluster, pytest.mark.weights]


def note(folder: str, tenant_id: UUID, training_id: UUID) -> None:
    """A training that only says that it was here, and waits to be ended."""
    (Path(folder) / f"{training_id}-{os.getpid()}").touch()
    signal.pause()


class TestRay(TrainerContract):
    @pytest.fixture
    def trainer(self, house: House, tmp_path: Path) -> Trainer:
        return RayTrainer(functools.partial(note, str(tmp_path)))
