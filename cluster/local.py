"""Ray and Serve on this machine, on loopback only.

Serve's own proxy is replaced by HAProxy and its throughput settings are on: a request then makes one hop less and costs
a fraction of a millisecond. User code runs on the replica's main loop, so nothing may block it. HAProxy keeps its files
in one fixed place unless told otherwise; here they lie in a folder of this start, so that two starts do not meet.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cluster import gcs
from cluster.gcs import Gcs
from cluster.keeper import Keeper
from core import settings as configuration
from core.kit.errors import Unavailable
from core.kit.placement import Placement
from core.settings import Settings

if TYPE_CHECKING:
    from actors.tenant_host import MakePredictor

APP = "salesedge"


def profile(settings: Settings) -> str:
    """`gpu` where the cluster has one, unless the settings say."""
    if settings.profile != "auto":
        return settings.profile
    import ray

    return "gpu" if ray.cluster_resources().get("GPU", 0) > 0 else "cpu"


def free_port() -> int:
    """Of those that neither Ray's workers nor outgoing connections take: one is free until it is used."""
    for port in random.sample(range(20_000, 32_000), 100):
        if is_free("", port):
            return port
    raise Unavailable("No port between 20000 and 32000 is free.")


def is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


class LocalCluster:
    """Starts Ray, the tenant hosts and the Serve graph on entering; stops its own processes on leaving."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder: Path | None = None
        self._gcs: Gcs | None = None
        self._keeper = Keeper()
        self.placement: Placement | None = None

    @property
    def session_dir(self) -> Path:
        """The folder of this start: its processes carry it in their environment."""
        assert self._folder is not None
        return self._folder

    @property
    def address(self) -> str:
        """Where others join it."""
        import ray

        return str(ray.get_runtime_context().gcs_address)

    @property
    def url(self) -> str:
        return f"http://{self.settings.http.host}:{self.settings.http.port}"

    def __enter__(self) -> LocalCluster:
        try:
            self.start_ray()
            self.start_serve()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start_ray(self) -> None:
        http = self.settings.http
        if not is_free(http.host, http.port):
            raise Unavailable(f"Port {http.port} is taken. Set SALESEDGE_HTTP__PORT to another, or stop what uses it.")
        self._folder = Path(tempfile.mkdtemp(prefix="se-"))
        os.environ.update(_environment(self._folder))
        import ray

        ray.init(
            address="local", _node_ip_address="127.0.0.1", include_dashboard=False, object_store_memory=256 << 20,
            # Shares of a core are promises to the scheduler; a small machine must hold the whole graph.
            num_cpus=max(4, os.cpu_count() or 1), log_to_driver=False,
            logging_level=logging.ERROR,
        )  # fmt: skip
        self._gcs = Gcs(self.address)
        self._keeper.keep("GCS", self._gcs.pid, self._gcs.start)
        self.placement = configuration.placement(profile(self.settings))

    def start_serve(self) -> None:
        from ray import serve

        from actors.live_host import start_live_hosts
        from actors.tenant_host import start_hosts
        from cluster.apps import build
        from cluster.live import house

        assert self.placement is not None
        start_hosts(self.settings, predictor(), num_cpus=self.placement.tenant_hosts.cpus)
        http = self.settings.http
        options = {"host": http.host, "port": http.port}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            proxy_location="HeadOnly",
            http_options=options,
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
        serve.run(build(self.settings, self.placement), name=APP, route_prefix="/")
        start_live_hosts(self.settings, house, num_cpus=self.placement.live_hosts.cpus)

    def stop(self) -> None:
        """Only what was started here: never the machine's other Ray processes."""
        import ray

        self._keeper.stop()
        if ray.is_initialized():
            # Serve's own shutdown waits for replicas one by one; all of them end with this Ray anyway.
            ray.shutdown()
        if self._gcs is not None:
            self._gcs.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def predictor() -> MakePredictor:
    """Whom the tenants' agents ask for odds."""
    from deployments import clients

    return functools.partial(clients.forecasting, APP)


def _environment(folder: Path) -> dict[str, str]:
    """Read by Ray when it is imported, and by its processes."""
    proxy = folder  # HAProxy takes socket paths of at most 97 letters
    wanted: dict[str, Any] = {
        "RAY_SERVE_ENABLE_HA_PROXY": 1,
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": 1,
        "RAY_SERVE_HAPROXY_NBTHREAD": 1,
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": 0,
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": proxy / "haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": proxy / "admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": proxy / "metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": proxy,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": proxy / "server-state",
        "RAY_SERVE_HAPROXY_STATS_PORT": free_port(),
        "RAY_SERVE_HAPROXY_METRICS_PORT": free_port(),
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": 60,  # a busy machine is slow to start it
        "RAY_worker_niceness": 0,  # Ray's 15 makes a running call wait for whatever else the machine does
        "RAY_USAGE_STATS_ENABLED": 0,
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": 0,
        "RAY_DEDUP_LOGS": 0,
        "RAY_worker_maximum_startup_concurrency": 8,  # the whole graph starts at once
        "GRPC_ENABLE_FORK_SUPPORT": 0,  # what is forked here is another program at once
        "OMP_WAIT_POLICY": "passive",
    }
    return {name: str(value) for name, value in wanted.items()} | gcs.environment(folder / "gcs")
