"""MLflow by the simplest rule: versions count up, aliases are a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.gateways.mlflow import Logged


class FakeRuns:
    def __init__(self) -> None:
        self.logged: dict[str, list[dict[str, Any]]] = {}
        self._aliases: dict[str, dict[str, int]] = {}

    def log_and_register(
        self, name: str, bundle: bytes, *, parameters: Mapping[str, Any], metrics: Mapping[str, float],
        tags: Mapping[str, str], files: Mapping[str, bytes] | None = None,
    ) -> Logged:  # fmt: skip
        versions = self.logged.setdefault(name, [])
        versions.append({"bundle": bundle, "parameters": parameters, "metrics": metrics, "tags": tags, "notes": {}})
        return Logged(len(versions), f"run-{name}-{len(versions)}")

    def aliases(self, name: str) -> dict[str, int]:
        return dict(self._aliases.get(name, {}))

    def mirror(self, name: str, wanted: Mapping[str, int]) -> bool:
        changed = self.aliases(name) != dict(wanted)
        self._aliases[name] = dict(wanted)
        return changed

    def note(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        self.logged[name][version - 1]["notes"].update(tags)
