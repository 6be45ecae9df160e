"""What every object store does, whatever it is made of: the fake, a folder, a bucket."""

from __future__ import annotations

import importlib.util
import io
import socket
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.gateways.objects import LocalObjects, S3Objects, checked, open_objects
from core.kit.errors import BadInput, NotFound, Unavailable
from core.ports import ObjectStore
from core.settings import ObjectSettings
from tests.fakes.engines import FakeObjects

BAD_KEYS = [
    "", ".", "..", "/a", "//a", "a/", "a//b", "../a", "a/..", "a/../b", "./a", "a/./b", "a\n", "a/b\n", "a b", "a\\b",
    "C:/a", "%2e%2e/a", "a\0b", "~/a", "a" * 501,
]  # fmt: skip


# The bucket needs a server to keep it: moto is one, where somebody has installed it with flask.
STORES = ["fake", "local", *(["s3"] if all(map(importlib.util.find_spec, ("moto", "flask"))) else [])]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server that keeps everything in memory."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def bucket(address: str, name: str) -> ObjectSettings:
    return ObjectSettings(
        url=f"s3://{name}", endpoint=address, access_key=SecretStr("test"), secret_key=SecretStr("test")
    )


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "fake":
        return FakeObjects()
    if request.param == "local":
        return open_objects(ObjectSettings(url=f"file:{tmp_path / 'objects'}"))
    address, name = request.getfixturevalue("server"), f"calls-{uuid.uuid4().hex}"
    httpx2.put(f"{address}/{name}").raise_for_status()
    return open_objects(bucket(address, name))


async def test_what_is_put_can_be_got(store: ObjectStore) -> None:
    data = bytes(range(256)) * 5000
    await store.put("acme/calls/1", data)
    await store.put("acme/calls/2", io.BytesIO(data[::-1]))
    await store.put("acme/empty", b"")
    assert await store.get("acme/calls/1") == data
    assert await store.get("acme/calls/2") == data[::-1]
    assert await store.get("acme/empty") == b""


async def test_a_file_is_taken_from_where_it_stands(store: ObjectStore) -> None:
    file = io.BytesIO(b"head and body")
    file.seek(9)
    await store.put("acme/1", file)
    assert await store.get("acme/1") == b"body"


async def test_a_second_put_replaces_the_first_whole(store: ObjectStore) -> None:
    await store.put("acme/1", b"a long first text")
    await store.put("acme/1", b"short")
    assert await store.get("acme/1") == b"short"
    assert await store.keys("") == ["acme/1"]


async def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    await store.put("acme/calls/1", b"x")
    for key in ("acme/calls/2", "acme/calls", "acme", "acme/calls/1/more"):
        with pytest.raises(NotFound, match=r"^There is no such object\.$"):
            await store.get(key)
        assert await store.exists(key) is False
    assert await store.exists("acme/calls/1") is True


async def test_delete_takes_one_object_and_may_be_repeated(store: ObjectStore) -> None:
    await store.put("acme/calls/1", b"x")
    await store.put("acme/calls/2", b"y")
    for key in ("acme/calls/1", "acme/calls/1", "acme/never", "acme/calls", "acme/calls/2/more"):
        await store.delete(key)
    assert await store.exists("acme/calls/1") is False
    assert await store.keys("") == ["acme/calls/2"]


async def test_keys_are_listed_by_prefix_in_order(store: ObjectStore) -> None:
    keys = ["acme/calls/2", "acme/calls/10", "acme/models/a.json", "acme2/calls/1", "rival/calls/1"]
    for key in keys:
        await store.put(key, b"x")
    assert await store.keys("") == sorted(keys)
    assert await store.keys("acme/") == ["acme/calls/10", "acme/calls/2", "acme/models/a.json"]
    assert await store.keys("acme/calls/1") == ["acme/calls/10"]
    assert await store.keys("acme") == ["acme/calls/10", "acme/calls/2", "acme/models/a.json", "acme2/calls/1"]
    assert await store.keys("nobody/") == []


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_leads_elsewhere_is_refused(store: ObjectStore, key: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("not of this store")
    for ask in (
        partial(store.put, key, b"x"),
        *(partial(each, key) for each in (store.get, store.exists, store.delete)),
    ):
        with pytest.raises(BadInput, match=r"^That is no key of an object\.$"):
            await ask()
    assert await store.keys("") == []
    assert (tmp_path / "a").read_text() == "not of this store"


@given(st.text(st.sampled_from("ab./\\\n~ -_@é%"), max_size=12))
def test_a_key_that_is_taken_stays_below_the_root(key: str) -> None:
    try:
        taken = checked(key)
    except BadInput:
        return
    path = Path("/store") / taken
    assert path.resolve().relative_to("/store").as_posix() == taken == key


# ── what only one of them can show ───────────────────────────────────────────────────────────────────────────────────


class Breaking(io.BytesIO):
    """A file that ends in the middle, as when its sender goes away."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise ConnectionResetError
        return super().read(3)


async def test_a_write_that_breaks_off_in_a_folder_leaves_what_was_there(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path)
    await store.put("acme/1", b"before")
    for key in ("acme/1", "acme/2"):
        with pytest.raises(ConnectionResetError):
            await store.put(key, Breaking(b"abcdef"))
    assert await store.get("acme/1") == b"before"
    assert [path.name for path in (tmp_path / "acme").iterdir()] == ["1"]


async def test_a_bucket_that_does_not_answer_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    settings = bucket(address, "calls")
    assert isinstance(open_objects(settings), S3Objects)
    with pytest.raises(Unavailable):
        await open_objects(settings).get("acme/1")


def test_an_address_of_an_unknown_kind_is_refused_by_its_setting() -> None:
    settings = ObjectSettings.model_construct(url="ftp://server/folder")
    with pytest.raises(BadInput, match=r"^SALESEDGE_OBJECTS__URL: ftp is not known\. Write file:"):
        open_objects(settings)
