"""Where runs and versions are kept: MLflow on PostgreSQL, and the fake that stands for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from cluster.embedded import create_database
from core.gateways.mlflow import BUNDLE, Registry
from core.kit.ids import new_id
from core.settings import Settings
from tests.fakes.runs import FakeRuns

GIVEN: dict[str, Any] = {
    "parameters": {"rounds": 160, "eta": 0.06}, "metrics": {"auc": 0.81, "ece": 0.03},
    "tags": {"fingerprint": "f00d", "code": "0.1.0"},
}  # fmt: skip


@pytest.fixture(scope="module")
def real(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One for all tests here: MLflow takes seconds to come and to lay out its tables."""
    assert servers.database.admin_url is not None
    admin = servers.database.admin_url.get_secret_value()
    create_database(admin, "mlflow")
    url = make_url(admin).set(drivername="postgresql+psycopg", database="mlflow")
    return Registry(url.render_as_string(hide_password=False), tmp_path_factory.mktemp("mlflow").as_uri())


@pytest.fixture(params=["mlflow", "fake"])
def runs(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("real") if request.param == "mlflow" else FakeRuns()


@pytest.fixture
def name() -> str:
    return f"forecast-{new_id()}"


def test_versions_count_up_for_each_model(runs: Registry | FakeRuns, name: str) -> None:
    found = [runs.log_and_register(name, b"bundle", **GIVEN) for _ in range(2)]
    assert [logged.version for logged in found] == [1, 2]
    assert found[0].run_id != found[1].run_id
    assert runs.log_and_register(f"{name}-other", b"bundle", **GIVEN).version == 1


def test_aliases_are_what_was_asked_for_and_nothing_else(runs: Registry | FakeRuns, name: str) -> None:
    assert runs.aliases(name) == {}
    for _ in range(3):
        runs.log_and_register(name, b"bundle", **GIVEN)
    for wanted in ({"champion": 1}, {"champion": 2, "challenger": 3}, {"champion": 1}, {}):
        assert runs.mirror(name, wanted) is True
        assert runs.mirror(name, wanted) is False
        assert runs.aliases(name) == wanted


def test_a_run_keeps_what_was_logged(real: Registry, name: str) -> None:
    logged = real.log_and_register(name, b"the bundle", files={"plots/roc.png": b"a picture"}, **GIVEN)
    real.note(name, logged.version, {"verdict": "It may be promoted."})
    run = real._client.get_run(logged.run_id)
    assert run.data.params == {"rounds": "160", "eta": "0.06"}
    assert run.data.metrics == GIVEN["metrics"]
    assert GIVEN["tags"].items() <= run.data.tags.items()
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert (folder / BUNDLE).read_bytes() == b"the bundle"
    assert (folder / "plots/roc.png").read_bytes() == b"a picture"
    version = real._client.get_model_version(name, str(logged.version))
    assert version.run_id == logged.run_id
    assert version.tags == {"verdict": "It may be promoted."}
