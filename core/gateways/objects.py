"""Objects by key in a local folder or an S3 bucket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from core.kit.errors import BadInput, NotFound, Unavailable
from core.ports import ObjectStore
from core.settings import ObjectSettings

_KEY = re.compile(r"(?!(?:.*/)?\.{1,2}(?:/|$))[\w.@-]+(?:/[\w.@-]+)*")


def open_objects(settings: ObjectSettings) -> ObjectStore:
    scheme, _, place = settings.url.partition(":")
    if scheme == "file":
        return LocalObjects(Path(place))
    if scheme == "s3":
        return S3Objects(place.strip("/"), settings)
    raise BadInput(f"SALESEDGE_OBJECTS__URL: {scheme} is not known. Write file:<folder> or s3://<bucket>.")


def checked(key: str) -> str:
    """A key stays inside the store: relative, no dots for folders, plain characters."""
    if not _KEY.fullmatch(key) or len(key) > 500:
        raise BadInput("That is no key of an object.")
    return key


class LocalObjects:
    """A folder. A write is whole or not there: it goes to a temporary file and is renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, data: bytes | BinaryIO) -> None:
        await asyncio.to_thread(self._put, self._root / checked(key), data)

    async def get(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread((self._root / checked(key)).read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("There is no such object.") from None

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread((self._root / checked(key)).is_file)

    async def delete(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            await asyncio.to_thread((self._root / checked(key)).unlink)

    async def keys(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self._keys, prefix)

    def _keys(self, prefix: str) -> list[str]:
        found = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(prefix) and not key.rsplit("/", 1)[-1].startswith(".put-"))

    def _put(self, path: Path, data: bytes | BinaryIO) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".put-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                if isinstance(data, bytes):
                    file.write(data)
                else:
                    shutil.copyfileobj(data, file)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


class S3Objects:
    """A bucket of any S3-compatible server, by the library obstore."""

    def __init__(self, bucket: str, settings: ObjectSettings) -> None:
        from obstore.store import S3Store

        options: dict[str, Any] = {"region": settings.region, "virtual_hosted_style_request": False}
        if settings.endpoint:
            options |= {"endpoint": settings.endpoint, "client_options": {"allow_http": True}}
        if settings.access_key and settings.secret_key:
            options |= {
                "access_key_id": settings.access_key.get_secret_value(),
                "secret_access_key": settings.secret_key.get_secret_value(),
            }
        self._store = S3Store(bucket, **options)

    async def put(self, key: str, data: bytes | BinaryIO) -> None:
        await self._ask(self._store.put_async(checked(key), data))

    async def get(self, key: str) -> bytes:
        answer = await self._ask(self._store.get_async(checked(key)))
        return bytes(await self._ask(answer.bytes_async()))

    async def exists(self, key: str) -> bool:
        try:
            await self._ask(self._store.head_async(checked(key)))
        except NotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        await self._ask(self._store.delete_async(checked(key)))

    async def keys(self, prefix: str) -> list[str]:
        found: list[str] = []
        async for page in self._store.list():
            found += [item["path"] for item in page if item["path"].startswith(prefix)]
        return sorted(found)

    async def _ask(self, question: Any) -> Any:
        from obstore import exceptions

        try:
            return await question
        except (FileNotFoundError, exceptions.NotFoundError):
            raise NotFound("There is no such object.") from None
        except exceptions.BaseError:
            raise Unavailable("The object store does not answer just now. Try again in a moment.") from None
