"""Ray's Global Control Store of a cluster of one machine. It keeps what it knows in RocksDB, so that a new process goes
on where a killed one stood; Ray itself starts it once and never again.

https://docs.ray.io/en/latest/ray-core/fault_tolerance/gcs.html
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil

from core.kit.errors import Unavailable


def environment(folder: Path) -> dict[str, str]:
    """Read by Ray when it starts."""
    return {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(folder)}


class Gcs:
    """The process that this process's `ray.init` has just started."""

    def __init__(self, address: str) -> None:
        """`address`: of the GCS, which a new one must have, too."""
        mine = [child for child in psutil.Process().children() if child.name() == "gcs_server"]
        process = max(mine, key=psutil.Process.create_time)
        port = address.rpartition(":")[2]
        named = "--gcs_server_port="
        self._command = [named + port if word.startswith(named) else word for word in process.cmdline()]
        self._environment = process.environ()
        self._first = process.pid
        self._process: subprocess.Popen[bytes] | None = None

    def pid(self) -> int:
        return self._process.pid if self._process is not None else self._first

    def start(self) -> None:
        """Again, after the end of the one before."""
        self.stop()
        try:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise Unavailable(f"Ray's control store does not start again ({error.strerror}).") from error

    def stop(self) -> None:
        """Of those that were started here."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)
