"""What goes along with a job, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import jobs
from cluster.local import free_port
from core.kit.errors import BadInput, Unavailable
from core.settings import Settings, load

SECRET = "postgresql://salesedge:hunter2@db/salesedge"


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return load("dev", {"SALESEDGE_DATA_DIR": str(tmp_path)})


def test_only_what_is_named_goes_along(own: Settings) -> None:
    env = {"SALESEDGE_DATABASE__URL": SECRET, "SALESEDGE_FORECASTING__MIN_CLOSED_DEALS": "300"}
    told = jobs.runtime_env(own, ["SALESEDGE_FORECASTING__MIN_CLOSED_DEALS"], env)
    assert told["env_vars"]["SALESEDGE_FORECASTING__MIN_CLOSED_DEALS"] == "300"
    assert SECRET not in str(told)
    with pytest.raises(BadInput, match="SALESEDGE_LOG__LEVEL: not set here"):
        jobs.runtime_env(own, ["SALESEDGE_LOG__LEVEL"], env)


def test_embedded_servers_are_found_by_their_folder_and_others_are_the_nodes_own(own: Settings) -> None:
    assert jobs.runtime_env(own, [], {})["env_vars"]["SALESEDGE_DATA_DIR"] == str(own.data_dir)
    elsewhere = load("dev", {"SALESEDGE_DATA_DIR": str(own.data_dir), "SALESEDGE_DATABASE__URL": SECRET})
    assert "SALESEDGE_DATA_DIR" not in jobs.runtime_env(elsewhere, [], {})["env_vars"]


def test_the_code_goes_along_without_tests_and_history_and_nothing_is_installed(own: Settings) -> None:
    told = jobs.runtime_env(own, [], {})
    root = Path(told["working_dir"])
    sent = {entry.name for entry in root.iterdir()} - {name.removeprefix("/") for name in told["excludes"]}
    assert sent == set(jobs.ROOMS)
    assert not {"pip", "uv", "conda"} & told.keys()


def test_what_is_no_job_is_refused(own: Settings) -> None:
    for command in ([], ["up"], ["models", "promote", "forecast-global@1", "--force"]):
        with pytest.raises(BadInput, match="A job is one of"):
            jobs.submit(own, command)


def test_a_cluster_that_is_not_there_is_said_in_words(own: Settings) -> None:
    with pytest.raises(Unavailable, match="ray start --head"):
        jobs.submit(own, ["train", "forecasting"], address=f"http://127.0.0.1:{free_port()}")
