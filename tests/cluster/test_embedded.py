from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from pydantic import SecretStr
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from cluster.embedded import EmbeddedServers, create_database, migrate
from core.kit.errors import Unavailable
from core.settings import Settings, load

PATIENT = Retry(ConstantBackoff(0.05), 400)
REPOSITORY = Path(__file__).resolve().parent.parent.parent
ANOTHER = """
import sys
from cluster.embedded import EmbeddedServers
from core.settings import load
with EmbeddedServers(load("dev", {"SALESEDGE_DATA_DIR": sys.argv[1]})) as servers:
    print(servers.settings.redis.url.get_secret_value(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    """One data folder for all tests here: making a database cluster is the slow part."""
    with tempfile.TemporaryDirectory(prefix="salesedge-embedded-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user where the tests run as root
        yield load("dev", {"SALESEDGE_DATA_DIR": folder})


def ask(settings: Settings, query: str) -> object:
    assert settings.database.admin_url is not None
    engine = create_engine(settings.database.admin_url.get_secret_value().replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            return connection.execute(text(query)).scalar()
    finally:
        engine.dispose()


def ask_for(settings: Settings, command: str) -> None:
    assert settings.database.admin_url is not None
    with psycopg.connect(settings.database.admin_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(command)


def eventually(settings: Settings, query: str) -> object:
    """Asked again until the server is there."""
    end = time.monotonic() + 60
    while True:
        try:
            return ask(settings, query)
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def processes_in(folder: Path) -> list[psutil.Process]:
    """The server programs that work in a folder or below."""
    found = []
    for process in psutil.process_iter(["name", "cwd"]):
        cwd = process.info["cwd"]
        if process.info["name"] in ("postgres", "valkey-server") and cwd and Path(cwd).is_relative_to(folder):
            found.append(process)
    return found


def servers_in(folder: Path) -> set[str]:
    return {process.name() for process in processes_in(folder)}


def none_left_in(folder: Path) -> bool:
    """A server that was told to stop may need a moment for its last step."""
    _, alive = psutil.wait_procs(processes_in(folder), timeout=10)
    return not alive


def start_another(settings: Settings) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, str(settings.data_dir)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_both_servers_start_answer_and_stop(home: Settings) -> None:
    with EmbeddedServers(home) as servers:
        assert ask(servers.settings, "SELECT current_database()") == "salesedge"
        assert servers.settings.redis.url is not None
        with Redis.from_url(servers.settings.redis.url.get_secret_value()) as redis:
            assert redis.ping()
            port = redis.connection_pool.connection_kwargs["port"]
        with Redis(host="127.0.0.1", port=port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        assert servers_in(home.data_dir) == {"postgres", "valkey-server"}
    assert none_left_in(home.data_dir)


def test_what_was_written_outlasts_a_stop(home: Settings) -> None:
    with EmbeddedServers(home, database="kept") as servers:
        migrate(servers.settings)
        tables = ask(servers.settings, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    with EmbeddedServers(home, database="kept") as servers:
        assert ask(servers.settings, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == tables
        assert isinstance(tables, int)
        assert tables > 5


def test_a_second_start_in_one_process_does_not_stop_the_first(home: Settings) -> None:
    with EmbeddedServers(home) as first:
        with EmbeddedServers(home) as second:
            assert ask(second.settings, "SELECT 1") == 1
        assert ask(first.settings, "SELECT 1") == 1
    assert none_left_in(home.data_dir)


def test_two_processes_share_one_postgres(home: Settings) -> None:
    with EmbeddedServers(home) as first:
        process, url = start_another(home)
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
        assert first.settings.redis.url is not None
        assert url != first.settings.redis.url.get_secret_value()
        assert ask(first.settings, "SELECT 1") == 1
    assert none_left_in(home.data_dir)


def test_a_killed_start_leaves_nothing_to_the_next(home: Settings) -> None:
    process, url = start_another(home)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert servers_in(home.data_dir) == {"postgres", "valkey-server"}
    with EmbeddedServers(home) as servers:
        assert ask(servers.settings, "SELECT 1") == 1
        assert servers.settings.redis.url is not None
        assert servers.settings.redis.url.get_secret_value() != url
    assert none_left_in(home.data_dir)
    assert list((home.data_dir / "valkey").iterdir()) == []


def test_a_process_number_that_now_is_another_program_does_not_mislead(home: Settings) -> None:
    with EmbeddedServers(home):
        pass
    place = home.data_dir / "postgres"
    lines = [str(os.getpid()), str(place), "1700000000", "5432", str(place), "", " 1 1", "ready   "]
    (place / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (place / ".handle_pids.json").write_text(json.dumps([2**22 - 1]))
    with EmbeddedServers(home) as servers:
        assert ask(servers.settings, "SELECT 1") == 1
    assert none_left_in(home.data_dir)


def test_a_start_that_fails_says_where_to_look_and_stops_what_it_began(home: Settings) -> None:
    with tempfile.TemporaryDirectory(prefix="salesedge-broken-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - as above
        (Path(folder) / "postgres").mkdir()
        (Path(folder) / "postgres" / "stranger").write_text("initdb refuses a folder that is not empty")
        broken = load("dev", {"SALESEDGE_DATA_DIR": folder})
        with pytest.raises(Unavailable, match="SALESEDGE_DATABASE__URL"), EmbeddedServers(broken):
            pass
        assert servers_in(Path(folder)) == set()


def test_servers_that_are_killed_are_started_again_with_what_they_held(home: Settings) -> None:
    with EmbeddedServers(home) as servers:
        ask_for(servers.settings, "CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS n")
        assert servers.settings.redis.url is not None
        with Redis.from_url(servers.settings.redis.url.get_secret_value(), retry=PATIENT) as redis:
            redis.set("kept", "8")
            for process in processes_in(home.data_dir):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            assert redis.get("kept") == b"8"
        assert eventually(servers.settings, "SELECT n FROM kept") == 7
    assert none_left_in(home.data_dir)


def test_a_database_by_address_is_left_as_it_is(home: Settings) -> None:
    elsewhere = SecretStr("postgresql://app:x@db.example/salesedge")
    given = home.model_copy(update={"database": home.database.model_copy(update={"url": elsewhere})})
    with EmbeddedServers(given) as servers:
        assert servers.settings.database.url == elsewhere
        assert servers_in(home.data_dir) == {"valkey-server"}


def test_making_a_database_twice_is_making_it_once(home: Settings) -> None:
    with EmbeddedServers(home) as servers:
        assert servers.settings.database.admin_url is not None
        for _ in range(2):
            create_database(servers.settings.database.admin_url.get_secret_value(), "twice")
        assert ask(servers.settings, "SELECT count(*) FROM pg_database WHERE datname = 'twice'") == 1
