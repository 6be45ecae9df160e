"""The model registry's other half: MLflow keeps runs, files and aliases for people who know it. What serving and the
product read stands in `model_versions` and in the object store, because importing MLflow takes seconds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUNDLE = "bundle.zip"


@dataclass(frozen=True, slots=True)
class Logged:
    """Which version it became, and the run that it came from."""

    version: int
    run_id: str


class Registry:
    """`uri`: any that MLflow knows; `artifacts`: where its files go."""

    def __init__(self, uri: str, artifacts: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        import mlflow

        self._mlflow = mlflow
        mlflow.set_tracking_uri(uri)
        self._client = mlflow.MlflowClient(uri, uri)
        self._artifacts = artifacts

    def log_and_register(
        self, name: str, bundle: bytes, *, parameters: Mapping[str, Any], metrics: Mapping[str, float],
        tags: Mapping[str, str], files: Mapping[str, bytes] | None = None,
    ) -> Logged:  # fmt: skip
        """One run with its bundle and other files (plots, tables) as the next version of the model `name`."""
        with (
            self._mlflow.start_run(experiment_id=self._experiment(name), tags=dict(tags)) as run,
            tempfile.TemporaryDirectory() as at,
        ):
            self._mlflow.log_params(dict(parameters))
            self._mlflow.log_metrics(dict(metrics))
            for file, data in {**(files or {}), BUNDLE: bundle}.items():
                path = Path(at) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._mlflow.log_artifacts(at)
        self._model(name)
        source = f"{run.info.artifact_uri}/{BUNDLE}"
        version = self._client.create_model_version(name, source, run.info.run_id)
        return Logged(int(version.version), str(run.info.run_id))

    def aliases(self, name: str) -> dict[str, int]:
        """Alias → version; nothing of a model that is not there."""
        found = self._client.search_registered_models(f"name = '{name}'")
        return {alias: int(version) for alias, version in found[0].aliases.items()} if found else {}

    def mirror(self, name: str, wanted: Mapping[str, int]) -> bool:
        """Let the model's aliases be these and no others; whether something had to be changed."""
        present = self.aliases(name)
        if present == dict(wanted):
            return False
        for alias in present.keys() - wanted.keys():
            self._client.delete_registered_model_alias(name, alias)
        for alias, version in wanted.items():
            self._client.set_registered_model_alias(name, alias, str(version))
        return True

    def note(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Add what became known of a version later, such as the gate's verdict."""
        for key, value in tags.items():
            self._client.set_model_version_tag(name, str(version), key, value)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        for _ in range(2):
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            try:
                return str(self._client.create_experiment(name, f"{self._artifacts}/{name}"))
            except MlflowException:
                continue  # another job was faster
        return str(self._client.create_experiment(name, f"{self._artifacts}/{name}"))

    def _model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
