"""Starts again what died: the servers of this start, as systemd or Kubernetes do it for those of a cluster."""

from __future__ import annotations

import os
import queue
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass

from core.kit.errors import Unavailable
from core.kit.log import logger
from core.kit.retry import backoff_s

log = logger("keeper")


@dataclass(slots=True)
class _Kept:
    name: str
    pid: Callable[[], int | None]
    start: Callable[[], None]
    failures: int = 0


class Keeper:
    """One thread that waits for the end of processes (`pidfd_open(2)`), whosever children they are."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._new: queue.SimpleQueue[_Kept | None] = queue.SimpleQueue()
        self._bell = -1

    def keep(self, name: str, pid: Callable[[], int | None], start: Callable[[], None]) -> None:
        """`pid`: of the process that runs now; `start`: runs it anew, raises `Unavailable` to be asked again."""
        if self._thread is None:
            self._bell = os.eventfd(0)
            self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
            self._thread.start()
        self._say(_Kept(name, pid, start))

    def stop(self) -> None:
        """Returns when nothing is started again any more."""
        if self._thread is not None:
            self._say(None)
            self._thread.join()
            self._thread = None
            os.close(self._bell)

    def _say(self, what: _Kept | None) -> None:
        self._new.put(what)
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        running: dict[int, _Kept] = {}
        dead: list[_Kept] = []
        ends = select.poll()
        ends.register(self._bell, select.POLLIN)
        while True:
            wait_s = min((backoff_s(kept.failures, base_s=0.1, most_s=5.0) for kept in dead), default=None)
            for handle, _ in ends.poll(None if wait_s is None else 1000 * wait_s):
                if handle == self._bell:
                    os.eventfd_read(self._bell)
                    continue
                ends.unregister(handle)
                os.close(handle)
                dead.append(running.pop(handle))
                log.warning("server_died", server=dead[-1].name)
            while not self._new.empty():
                if (new := self._new.get()) is None:
                    for handle in running:
                        os.close(handle)
                    return
                _watch(new, running, dead, ends)
            again, dead = dead, []
            for kept in again:
                _start(kept)
                _watch(kept, running, dead, ends)


def _watch(kept: _Kept, running: dict[int, _Kept], dead: list[_Kept], ends: select.poll) -> None:
    pid = kept.pid()
    try:
        handle = os.pidfd_open(pid) if pid is not None else -1
    except ProcessLookupError:
        handle = -1
    if handle == -1:  # it is gone already
        dead.append(kept)
        return
    running[handle] = kept
    ends.register(handle, select.POLLIN)


def _start(kept: _Kept) -> None:
    try:
        kept.start()
    except Unavailable as error:
        kept.failures += 1
        log.warning("server_does_not_start", server=kept.name, error=error.detail, failures=kept.failures)
    else:
        kept.failures = 0
        log.warning("server_started_again", server=kept.name)
