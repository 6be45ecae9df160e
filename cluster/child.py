"""A server from a package as a child of this process: in a folder of its own, on loopback, started again at will."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from cluster.local import free_port
from core.kit.errors import Unavailable

_MOST_START_S = 20.0


class Child(ABC):
    """Starts on entering, stops on leaving. Each start of the product has a folder of its own under `home`; within it
    the server starts again with what it held on disk."""

    name = "server"
    program = "server"
    """The process's own name, by which those are found that a killed start left behind."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        end_orphans(self._home, self.program)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self._home))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What is run in the folder."""

    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Also again after its end. Raises `Unavailable`."""
        self.kill()
        assert self.folder is not None, "it is entered first"
        with (self.folder / "log").open("ab") as output:
            process = subprocess.Popen(self.command(), cwd=self.folder, stdout=output, stderr=output)
        self._process = process
        until = time.monotonic() + _MOST_START_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"The embedded {self.name} does not start. Read {self.folder / 'log'}.")
            time.sleep(0.02)

    def kill(self) -> None:
        """At once, as a crash does it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def end_orphans(home: Path, program: str) -> None:
    """A start that was killed leaves its server behind, in a folder that carries the start's process number."""
    owned = {place: place.name.partition("-")[0] for place in home.iterdir()}
    dead = {place for place, owner in owned.items() if owner.isdigit() and not psutil.pid_exists(int(owner))}
    for process in psutil.process_iter(["name"]) if dead else ():
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == program and Path(process.cwd()) in dead:
                process.kill()
                process.wait(5)
    for place in dead:
        shutil.rmtree(place, ignore_errors=True)
