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
from tests.e2e.house import House, wait
from training import tuning

pytestmark = [pytest.mark.cluster, pytest.mark.weights]


def note(folder: str, tenant_id: UUID, training_id: UUID) -> None:
    """A training that only says that it was here, and waits to be ended."""
    (Path(folder) / f"{training_id}-{os.getpid()}").touch()
    signal.pause()


class TestRay(TrainerContract):
    @pytest.fixture
    def trainer(self, house: House, tmp_path: Path) -> Trainer:
        return RayTrainer(functools.partial(note, str(tmp_path)), cpus=0.1)


def test_a_killed_training_is_taken_over_and_ends(house: House) -> None:
    """Asked for over HTTP; its process dies amid a search of Ray Tune; another goes on, does no trial again that was
    over, and what came of it is told."""
    user = house.trainer()
    row = user.post("/v1/insights/train", json={"tune": 12})
    url = f"/v1/insights/trainings/{row['id']}"
    kept = house.settings.data_dir / "training" / row["id"] / "search" / "tune"
    wait(lambda: tuning.over(kept) > 0)
    assert house.kill("ray::TrainingJob") == 1
    done = user.until(url, lambda seen: seen["status"] not in ("queued", "running"))
    assert (done["status"], done["attempts"], done["progress"]) == ("done", 2, 1.0), done
    assert [line["attempt"] for line in done["lines"]] == sorted(line["attempt"] for line in done["lines"])
    assert "its process is gone or hangs: another goes on" in [line["text"] for line in done["lines"]]
    again = [line["text"] for line in done["lines"] if line["attempt"] == 2 and "trials" in line["text"]]
    assert not again[0].startswith("searching for parameters, 0 of 12")
    assert done["metrics"]["auc"] > 0.5
    assert done["verdict"]
    models = user.get("/v1/insights/models")["items"]
    assert [model["id"] for model in models if model["scope"] == user.tenant_id] == [done["model_id"]]
    found = user.get(f"/v1/insights/models/{done['model_id']}")["parameters"]
    assert found["search.trials"] == 12
    assert 0 < found["search.resumed"] < 12
    assert 0 < found["search.stopped_early"] < 12
    assert house.kill("ray::TrainingJob") == 0


def test_a_cancelled_training_leaves_no_process_and_no_version(house: House) -> None:
    user = house.trainer()
    row = user.post("/v1/insights/train", json={})
    url = f"/v1/insights/trainings/{row['id']}"
    user.until(url, lambda seen: seen["status"] == "running")
    assert user.post(f"{url}/cancel")["status"] == "cancelled"
    wait(lambda: house.processes("ray::TrainingJob") == [])
    assert user.get(url)["status"] == "cancelled"
    assert [m for m in user.get("/v1/insights/models")["items"] if m["scope"] == user.tenant_id] == []
