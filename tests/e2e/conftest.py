"""One real cluster for all end-to-end tests: real weights, real database, HTTP from outside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from cluster.embedded import EmbeddedServers, migrate
from cluster.local import LocalCluster, free_port
from cluster.starter_models import install
from core.settings import load
from tests.conftest import MODELS
from tests.e2e.house import House


@pytest.fixture(scope="package")
def house() -> Iterator[House]:
    """Of this folder: a cluster that idles while the other tests run takes half a core from them."""
    install(MODELS)
    with tempfile.TemporaryDirectory(prefix="salesedge-e2e-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user where the tests run as root
        environment = {
            "SALESEDGE_DATA_DIR": folder,
            "SALESEDGE_MODELS__DIR": str(MODELS),
            "SALESEDGE_HTTP__PORT": str(free_port()),
            "SALESEDGE_EVENTS__BACKOFF_BASE_S": "0.1",
            # A process that imports and fits on a busy machine is silent for seconds and is not dead.
            "SALESEDGE_TRAINING__LEASE_S": "12",
            "SALESEDGE_FORECASTING__MIN_CLOSED_DEALS": "200",
        }
        with EmbeddedServers(load("dev", environment)) as servers:
            migrate(servers.settings)
            with LocalCluster(servers.settings) as cluster:
                yield House(cluster)
