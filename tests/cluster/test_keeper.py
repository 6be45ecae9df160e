from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from cluster.keeper import Keeper
from core.kit.errors import Unavailable

PATIENCE_S = 20.0


class Server:
    """A process that waits; each start is told, and the first `refusals` of those that follow fail."""

    def __init__(self, refusals: int = 0) -> None:
        self.started: queue.Queue[int] = queue.Queue()
        self.refused = 0
        self._refusals = refusals
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self.refused < self._refusals:
                self.refused += 1
                raise Unavailable("not yet")
        self._process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        self.started.put(self._process.pid)

    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """As somebody else does it, who does not wait for the end."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper()
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(refusals: int = 0) -> Server:
        servers.append(Server(refusals))
        servers[-1].start()
        return servers[-1]

    yield make
    for one in servers:
        one.end()


def test_a_dead_server_is_started_again_and_again(keeper: Keeper, server: Callable[..., Server]) -> None:
    one, other = server(), server()
    for kept in (one, other):
        keeper.keep("server", kept.pid, kept.start)
        kept.started.get()
    pids = {one.pid()}
    for _ in range(2):
        one.kill()
        pids.add(one.started.get(timeout=PATIENCE_S))
    assert len(pids) == 3
    assert other.started.empty()


def test_one_that_does_not_start_at_once_is_tried_until_it_does(keeper: Keeper, server: Callable[..., Server]) -> None:
    one = server(refusals=2)
    keeper.keep("server", one.pid, one.start)
    one.started.get()
    pid = one.pid()
    one.kill()
    assert one.started.get(timeout=PATIENCE_S) != pid
    assert one.refused == 2


def test_one_that_had_died_before_it_was_kept_is_started(keeper: Keeper, server: Callable[..., Server]) -> None:
    one = server()
    one.started.get()
    one.end()
    keeper.keep("server", one.pid, one.start)
    assert one.started.get(timeout=PATIENCE_S)


def test_nothing_is_started_after_the_stop(server: Callable[..., Server]) -> None:
    keeper, one = Keeper(), server()
    keeper.keep("server", one.pid, one.start)
    one.started.get()
    keeper.stop()
    keeper.stop()
    one.end()
    assert one.started.empty()
