"""What tests share: one embedded PostgreSQL and Valkey a run, a fresh database from a template for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import hypothesis
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from cluster.embedded import EmbeddedServers, create_database
from core import bootstrap
from core.app import create_app
from core.kit import log, migrations, security
from core.kit.clock import VirtualClock
from core.kit.db import Database
from core.kit.ids import new_id
from core.settings import Settings, load
from tests.fakes.services import fake_services
from tests.support import Api, Client, sign_up

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parent.parent
CLUSTERS = ("tests/e2e/", "tests/chaos/")
"""Where tests need a cluster."""
LONGEST = (*CLUSTERS, "tests/core/test_isolation.py", "tests/core/test_schema.py")
_ROOM_BYTES = 4 << 30
MODELS = REPOSITORY / ".salesedge" / "models"


# A busy machine is slow at everything; that is no error of a strategy.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process works alone in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A file stays in one process, and all that needs the cluster in one as well."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "clusters" if file.startswith(CLUSTERS) else file

    return ByFile(config, log)


def pytest_configure() -> None:
    log.configure("WARNING", "console")  # a line for each request would bury what a failure says
    # A password costs a third of a second by design, and each test has a few.
    security._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def servers() -> Iterator[Settings]:
    """Settings with the addresses of servers that run for the whole session."""
    with tempfile.TemporaryDirectory(prefix="salesedge-test-", dir=_memory()) as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user where the tests run as root
        given = load("dev", {"SALESEDGE_DATA_DIR": folder, "SALESEDGE_MODELS__DIR": str(MODELS)})
        with EmbeddedServers(given, database="salesedge_template") as embedded:
            settings = embedded.settings
            assert settings.database.admin_url is not None
            assert settings.database.url is not None
            migrations.upgrade(settings.database.admin_url.get_secret_value(), settings.database.url.get_secret_value())
            _forgetful(settings.database.admin_url.get_secret_value())
            yield settings


def _memory() -> str | None:
    """A file system in memory, where there is room: a database for each test is a million files in all."""
    folder = Path("/dev/shm")  # noqa: S108 - a random folder is made in it
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free > _ROOM_BYTES else None


def _forgetful(admin_url: str) -> None:
    """No test outlives a power cut, so nothing waits for the disk."""
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
        connection.execute(text("ALTER SYSTEM SET max_wal_size = '256MB'"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


@pytest.fixture(scope="session")
def new_database(servers: Settings) -> Callable[[], Settings]:
    """Makes an empty database with the newest schema and gives the settings for it.

    One that is made for each test must be `drop`ped; a few may stay until the servers go.
    """

    def make() -> Settings:
        name = f"test_{new_id().hex}"
        assert servers.database.admin_url is not None
        assert servers.database.url is not None
        admin = make_url(servers.database.admin_url.get_secret_value())
        postgres = admin.set(database="postgres").render_as_string(hide_password=False)
        create_database(postgres, name, template="salesedge_template")
        urls = {
            "admin_url": SecretStr(admin.set(database=name).render_as_string(hide_password=False)),
            "url": SecretStr(
                make_url(servers.database.url.get_secret_value())
                .set(database=name)
                .render_as_string(hide_password=False)
            ),
        }
        folder = servers.data_dir / name
        folder.mkdir()
        return servers.model_copy(
            update={
                "data_dir": folder,
                "database": servers.database.model_copy(update=urls),
                "objects": servers.objects.model_copy(update={"url": f"file:{folder / 'objects'}"}),
            }
        )

    return make


def drop(settings: Settings) -> None:
    """A thousand databases that nobody needs any more would be gigabytes of files."""
    assert settings.database.admin_url is not None
    own = make_url(settings.database.admin_url.get_secret_value())
    engine = create_engine(own.set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{own.database}" WITH (FORCE)'))
    engine.dispose()
    shutil.rmtree(settings.data_dir)


@pytest.fixture
def settings(new_database: Callable[[], Settings]) -> Iterator[Settings]:
    made = new_database()
    yield made
    drop(made)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
async def db(settings: Settings, clock: VirtualClock) -> AsyncIterator[Database]:
    bootstrap.load_models()
    database = Database(bootstrap.database_url(settings), clock=clock)
    yield database
    await database.close()


@pytest.fixture
async def api(settings: Settings, clock: VirtualClock) -> AsyncIterator[Api]:
    """The application under plain ASGI, with fakes for engines."""
    services = fake_services(settings, clock)
    transport = httpx2.ASGITransport(app=create_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, services)
    await services.live.close()
    await services.db.close()


@pytest.fixture
async def ana(api: Api) -> Client:
    """An administrator of a tenant of her own."""
    return Client(api, (await sign_up(api, "acme"))["access_token"])
