"""The schema and its roles, by Alembic.

Three roles: the owner of the tables (who runs this), `salesedge_app` (rows of one tenant) and `salesedge_system` (moves
events, looks up log-ins). The application logs in as a fourth, which can do nothing but become one of the last two.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, make_url, text

from core.kit.db import APP_ROLE, SYSTEM_ROLE

HERE = Path(__file__).parent


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config


def upgrade(admin_url: str, app_url: str, revision: str = "head") -> None:
    """Bring the database to `revision` as its owner, and let the user of `app_url` in. Safe to repeat."""
    login = make_url(app_url)
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            # Several replicas may start at once: one of them migrates.
            connection.execute(text("SELECT pg_advisory_xact_lock(7215302)"))
            _roles(connection, str(login.username), str(login.password or ""))
            command.upgrade(_config(connection), revision)
    finally:
        engine.dispose()


def current(admin_url: str) -> str | None:
    """The revision that the database is at; None where it is empty."""
    from alembic.runtime.migration import MigrationContext

    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def head() -> str:
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(HERE))
    return ScriptDirectory.from_config(config).get_current_head() or ""


def fingerprint() -> str:
    """Changes with any migration file: names the template database of the tests."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _roles(connection: Connection, user: str, password: str) -> None:
    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    literal = "'" + password.replace("'", "''") + "'"
    known = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    for role in (APP_ROLE, SYSTEM_ROLE):
        if role not in known:
            connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
    if user not in known:
        connection.execute(text(f"CREATE ROLE {quoted(user)} LOGIN NOINHERIT PASSWORD {literal}"))
    connection.execute(text(f"GRANT {APP_ROLE}, {SYSTEM_ROLE} TO {quoted(user)} WITH INHERIT FALSE, SET TRUE"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {SYSTEM_ROLE}"))
