"""The product as an operator starts it: `salesedge up` in a process of its own, with a mail server that counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil
import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from cluster.local import free_port
from tests.conftest import MODELS, REPOSITORY

MOST_START_S = 300.0


class CountingMail(Message):
    """How often each Message-ID came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: Counter[str] = Counter()

    def handle_message(self, message: Any) -> None:
        self.came[str(message["Message-ID"]).strip("<>").partition("@")[0]] += 1


class Product:
    """Starts on entering and is ready; stops on leaving, and keeps its folder where something was wrong."""

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self.folder = Path(tempfile.mkdtemp(prefix="salesedge-chaos-"))
        os.chmod(self.folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user where this runs as root
        self.mail = CountingMail()
        self._smtp = Controller(self.mail, hostname="127.0.0.1", port=free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._smtp.start()
        given = {
            "SALESEDGE_DATA_DIR": str(self.folder),
            "SALESEDGE_MODELS__DIR": str(MODELS),
            "SALESEDGE_HTTP__PORT": str(self._port),
            "SALESEDGE_EVENTS__TRANSPORT": self._transport,
            "SALESEDGE_EVENTS__BACKOFF_BASE_S": "0.2",
            # The embedded broker keeps the place of a consumer that died; a real one gives it to another in seconds.
            "SALESEDGE_EVENTS__KAFKA__GRACE_S": "2",
            "SALESEDGE_EVENTS__MAX_ATTEMPTS": "50",
            "SALESEDGE_AGENTS__HOSTS": "2",
            "SALESEDGE_MAIL__HOST": "127.0.0.1",
            "SALESEDGE_MAIL__PORT": str(self._smtp.port),
            "SALESEDGE_MAIL__TLS": "none",
            "SALESEDGE_AUTH__ACCESS_TOKEN_S": "7200",
        }
        with (self.folder / "up.log").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cluster", "up"], cwd=REPOSITORY, env={**os.environ, **given}, stdout=output,
                stderr=output,
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                for process in self.processes():
                    process.kill()
                self._process.kill()
        self._smtp.stop()

    def database_url(self, user: str) -> str:
        """On its unix socket PostgreSQL trusts everybody of this machine."""
        lines = (self.folder / "postgres" / "postmaster.pid").read_text("utf-8").splitlines()
        return f"postgresql://{user}@/salesedge?host={lines[4]}&port={lines[3]}"

    def processes(self) -> list[psutil.Process]:
        """All that run of what it started and what they started; PostgreSQL is nobody's child."""
        assert self._process is not None
        try:
            found = psutil.Process(self._process.pid).children(recursive=True)
            # Of some that were killed nobody has taken note: they are in the list and dead.
            return [process for process in found if _runs(process)]
        except psutil.NoSuchProcess:
            raise AssertionError(f"`salesedge up` itself has ended; see {self.folder / 'up.log'}") from None

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the database holds, seen by its owner."""
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def _wait(self) -> None:
        end = time.monotonic() + MOST_START_S
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"it does not start: {(self.folder / 'up.log').read_text('utf-8', 'replace')[-2000:]}")


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
