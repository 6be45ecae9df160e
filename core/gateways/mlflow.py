"""The model registry: MLflow keeps runs, versions and aliases. An alias is published where serving reads it without
MLflow, whose import takes seconds."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.ports import ObjectStore

CHAMPION = "champion"


class Registry:
    """`uri`: any that MLflow knows; `artifacts`: where its files go."""

    def __init__(self, uri: str, artifacts: str, objects: ObjectStore) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        import mlflow

        self._mlflow = mlflow
        mlflow.set_tracking_uri(uri)
        self._client = mlflow.MlflowClient(uri, uri)
        self._artifacts = artifacts
        self._objects = objects

    def log_and_register(
        self, name: str, bundle: bytes, *, parameters: Mapping[str, Any], metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> int:  # fmt: skip
        """One run with its bundle as the next version of the model `name`; returns the version."""
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = (
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(name, f"{self._artifacts}/{name}")
        )
        with (
            self._mlflow.start_run(experiment_id=experiment_id, tags=dict(tags)) as run,
            tempfile.TemporaryDirectory() as at,
        ):
            self._mlflow.log_params(dict(parameters))
            self._mlflow.log_metrics(dict(metrics))
            path = Path(at) / "bundle.zip"
            path.write_bytes(bundle)
            self._mlflow.log_artifact(str(path))
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        source = f"{run.info.artifact_uri}/bundle.zip"
        version = self._client.create_model_version(name, source, run.info.run_id)
        return int(version.version)

    async def promote(self, name: str, version: int, bundle: bytes, *, pointer_key: str) -> None:
        """Give the version the alias `champion` and publish it: first the bundle, then the pointer to it."""
        key = f"models/{name}/{version}.bundle"
        await self._objects.put(key, bundle)
        self._client.set_registered_model_alias(name, CHAMPION, str(version))
        pointer = {"version": version, "key": key, "sha256": hashlib.sha256(bundle).hexdigest()}
        await self._objects.put(pointer_key, json.dumps(pointer).encode())
