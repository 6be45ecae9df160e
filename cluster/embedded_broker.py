"""A broker that speaks Kafka's protocol, from a package, for a developer's own start and for tests. It is an emulator:
production has Apache Kafka or what is compatible with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from cluster.local import free_port
from core.kit.errors import Unavailable

_MOST_START_S = 20.0


class EmbeddedBroker:
    """Starts on entering, stops on leaving, on loopback. What it holds may be forgotten: the database knows all of
    it, so each start has a folder of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> EmbeddedBroker:
        from cluster.embedded import end_orphans

        self._home.mkdir(parents=True, exist_ok=True)
        end_orphans(self._home, "noida-db")
        self._folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self._home))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Also again after `kill`, with what it held on disk."""
        found = find_spec("noida_db")
        if found is None or found.origin is None:
            raise Unavailable(
                "There is no SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS, and no embedded broker: "
                "pip install 'salesedge[embedded]'."
            )
        assert self._folder is not None
        program = Path(found.origin).parent / "noida-db"  # the package's own command would start it as a child
        command = [str(program), "start", "--data-dir", ".", "--only", "kafka", "--kafka-port", str(self._port)]
        with (self._folder / "log").open("ab") as output:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=output, stderr=output)
        until = time.monotonic() + _MOST_START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"The embedded broker does not start. Read {self._folder / 'log'}.")
            time.sleep(0.02)

    def kill(self) -> None:
        """At once, as a crash does it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False
