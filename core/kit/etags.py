"""ETags of what is read, and changes that are made only to what was read (RFC 9110, 8.8.3 and 13.1).

A tag is the hash of the answer's body, so there is no version to store, and none to forget to raise. An answer that
names its version itself keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from sqlalchemy import text

from core.kit.db import Tx
from core.kit.errors import PreconditionFailed

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_CHANGES = ("PUT", "PATCH", "DELETE")
_readers: dict[str, Handler] = {}


def reads(path: str, handler: Handler) -> None:
    """`handler` answers GET at this path: what changes there is compared with its answer."""
    _readers[path] = handler


async def before_change(tx: Tx, request: Request) -> None:
    """Raises `PreconditionFailed` where `If-Match` names another version than the present one.

    Changes at one address come one after the other, so that nothing happens between the comparison and the change.
    """
    wanted = request.headers.get("if-match")
    reader = _readers.get(request.scope["route"].path) if request.method in _CHANGES else None
    if reader is None:
        if wanted is not None and request.method != "GET":
            raise PreconditionFailed("This address has no version to compare with. Send it without `If-Match`.")
        return
    name = hashlib.sha256(f"{tx.tenant_id} {request.url.path}".encode()).digest()
    number = int.from_bytes(name[:8], signed=True)
    await tx.session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
    if wanted is not None and not _names(wanted, _tag(await reader(request))):
        raise PreconditionFailed("Somebody changed it since you read it. Read it again and repeat your change.")


def after_read(request: Request, response: Response) -> Response:
    """The answer with its tag, or 304 where the client has it already."""
    if request.method != "GET" or response.status_code != 200:
        return response
    tag = _tag(response)
    if tag is None:
        return response
    response.headers["ETag"] = tag
    if _names(request.headers.get("if-none-match", "").replace("W/", ""), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return response


def _tag(response: Response) -> str | None:
    """None of a stream: a file has no body in memory."""
    own = response.headers.get("ETag")
    if own is not None:
        return own
    body = getattr(response, "body", None)
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"' if isinstance(body, bytes) else None


def _names(header: str, tag: str | None) -> bool:
    named = [one.strip() for one in header.split(",")]
    return tag is not None and (tag in named or "*" in named)
