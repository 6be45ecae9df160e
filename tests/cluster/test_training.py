"""A whole training in this process, on embedded PostgreSQL and a real MLflow: what stands there afterwards."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import matplotlib.image
import numpy as np
import pytest

from cluster.demo_tenant import load_pipeline
from cluster.training import Asked, Made, fit, registry
from core.datascience.models.bundle import unpack
from core.datascience.models.pointers import Scope
from core.gateways.mlflow import BUNDLE
from core.settings import Settings
from tests.support import Api, Client
from training import code, recipes
from training.forecasting import flat
from training.metrics import classification

METRICS = {"accuracy", "f1", "recall", "precision", "auc", "pr_auc", "mcc", "brier", "ece"}
PLOTS = {"confusion", "roc", "precision_recall", "calibration", "shap"}


@pytest.fixture
async def made(api: Api, ana: Client) -> tuple[Settings, Made]:
    settings, me = api.services.settings, (await ana.get("/v1/me")).json()
    few = settings.forecasting.model_copy(update={"min_closed_deals": 200})
    settings = settings.model_copy(update={"forecasting": few})
    tenant_id = UUID(me["tenant_id"])
    await load_pipeline(api.services.db, tenant_id, UUID(me["id"]), count=300)
    return settings, await fit(settings, Asked(tenant_id, "logistic"))


async def test_what_an_engineer_asks_of_a_run_is_logged(made: tuple[Settings, Made]) -> None:
    settings, found = made
    row, held = found.admitted.row, found.report.held_out
    run = registry(settings)._client.get_run(row.run_id)
    again = classification(held.evidence.won, held.evidence.said)
    assert again.keys() == METRICS
    assert {name: run.data.metrics[name] for name in METRICS} == pytest.approx(again)
    assert {name.removeprefix("baseline_") for name in run.data.metrics if name.startswith("baseline_")} >= METRICS
    given = flat(recipes.of("logistic").how())
    assert {name: run.data.params[name] for name in given} == {name: str(value) for name, value in given.items()}
    tags = {"algorithm": "logistic", "context": "forecast", "fingerprint": row.fingerprint, "code": code.version()}
    assert tags.items() <= run.data.tags.items()
    assert (row.name, row.scope) == (f"forecast-{row.scope}", Scope.of_tenant(row.tenant_id).name)  # type: ignore[arg-type]

    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert unpack((folder / BUNDLE).read_bytes()).meta.fingerprint == row.fingerprint
    assert {file.stem for file in (folder / "plots").iterdir()} == PLOTS
    for file in (folder / "plots").iterdir():
        assert np.std(matplotlib.image.imread(file)) > 0
    version = registry(settings)._client.get_model_version(row.name, str(row.version))
    assert version.tags["verdict"].splitlines()[0] in ("It may be promoted.", "It may not be promoted.")
