"""What the benchmarks share: the JSON line, quantiles, servers, and a client that costs little itself."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster.embedded import EmbeddedServers, migrate
from cluster.local import LocalCluster, free_port
from cluster.starter_models import install
from core.settings import Settings, load

MODELS = Path(__file__).resolve().parents[2] / ".salesedge" / "models"
DATA = Path(os.environ.get("SALESEDGE_DATA", "../shared/data"))


def line(
    name: str, metric: str, value: float, unit: str, peer: str, peer_value: float, *, more_is_better: bool
) -> None:
    """One result. `ratio` above 1 means better than the peer; null where it would divide by nothing."""
    over, under = (value, peer_value) if more_is_better else (peer_value, value)
    told = {
        "name": name, "metric": metric, "value": round(value, 4), "unit": unit, "peer": peer,
        "peer_value": round(peer_value, 4), "ratio": round(over / under, 3) if under else None,
    }  # fmt: skip
    print(json.dumps(told), flush=True)


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def servers() -> Iterator[Settings]:
    """A fresh database with the schema, and Valkey."""
    install(MODELS)
    with tempfile.TemporaryDirectory(prefix="salesedge-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user where this runs as root
        environment = {
            "SALESEDGE_DATA_DIR": folder,
            "SALESEDGE_MODELS__DIR": str(MODELS),
            "SALESEDGE_HTTP__PORT": str(free_port()),
            # Counted as always, only never refused.
            **{f"SALESEDGE_RATE_LIMITS__PER_{who}": "1000000000" for who in ("ADDRESS", "USER", "KEY", "TENANT")},
            **{f"SALESEDGE_RATE_LIMITS__SIGN_IN{what}": "1000000000" for what in ("", "_ADDRESS", "_ACCOUNT")},
        }
        with EmbeddedServers(load("dev", environment)) as embedded:
            migrate(embedded.settings)
            yield embedded.settings


@contextmanager
def cluster() -> Iterator[LocalCluster]:
    with servers() as settings, LocalCluster(settings) as running:
        yield running


async def load_http(
    port: int, path: str, *, clients: int, requests: int, token: str = ""
) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds and requests per second, over kept-alive connections."""
    took: list[float] = []
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    async def one(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count):
            begun = time.perf_counter()
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            await _body(reader, answer.lower())
            took.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(one(20) for _ in range(clients)))
    took.clear()
    begun = time.perf_counter()
    await asyncio.gather(*(one(requests // clients) for _ in range(clients)))
    passed = time.perf_counter() - begun
    return quantile(took, 0.5) * 1e3, quantile(took, 0.99) * 1e3, len(took) / passed


async def _body(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"content-length: " in head:
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        return
    while (size := int(await reader.readline(), 16)) > 0:
        await reader.readexactly(size + 2)
    await reader.readline()
