"""Start everything on this machine and leave it running."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from cluster.embedded import EmbeddedServers, migrate
from cluster.local import LocalCluster
from cluster.starter_models import install
from core.kit.errors import SalesEdgeError
from core.settings import Settings

console = Console(stderr=True)


@contextmanager
def running(settings: Settings) -> Iterator[LocalCluster]:
    """The whole product, each step shown as it goes."""
    with console.status("models") as status:
        install(settings.models.dir, status.update)
        status.update("PostgreSQL and Valkey")
        with EmbeddedServers(settings) as servers:
            status.update("schema")
            migrate(servers.settings)
            events = servers.settings.events
            if events.transport == "kafka":
                from core.gateways.kafka import prepare

                status.update("Kafka")
                prepare(events.kafka)
            cluster = LocalCluster(servers.settings)
            try:
                status.update("Ray")
                cluster.start_ray()
                status.update("deployments: ingress, stt, sentiment, embeddings, forecasting, content, flows")
                cluster.start_serve()
                status.stop()
                yield cluster
            finally:
                with console.status("stopping"):
                    cluster.stop()


def wait_for_stop() -> None:
    """Until Ctrl-C or a termination."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


def run(settings: Settings) -> None:
    try:
        with running(settings) as cluster:
            console.print(f"[bold green]ready[/] {cluster.url}   documentation: {cluster.url}/docs   stop: Ctrl-C")
            wait_for_stop()
    except SalesEdgeError as error:
        console.print(f"[red]{error.detail}[/]")
        raise SystemExit(1) from None
