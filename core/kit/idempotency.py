"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the answer is stored in the transaction of the effect.

A key that comes again with the same request gets the stored answer; with another request it gets 409.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy import LargeBinary, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from core.kit.db import Base, TenantOwned, Tx
from core.kit.errors import BadInput, Conflict

HEADER = "Idempotency-Key"


class IdempotencyKey(TenantOwned, Base):
    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[UUID]
    route: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary, info={"personal": "answer"})
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "route", "key"),)


def key_of(request: Request) -> str | None:
    """The key that a creating request carries."""
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise BadInput(f"{HEADER} must be 1 to 255 printable characters; a UUID is a good one.")
    return key


async def _shown_once(request: Request) -> None:
    if key_of(request) is not None:
        raise BadInput(f"This answer holds a secret that is stored nowhere. Send it without {HEADER}.")


SHOWN_ONCE = Depends(_shown_once)
"""For routes whose answer may not be kept."""


def fingerprint(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def recall(tx: Tx, request: Request, user_id: UUID, seen: str) -> Response | None:
    """The stored answer, where the key was used before for the same request.

    `request.state.location` is the pattern of its `Location`, filled in from the answer, where the route has one.
    """
    key = key_of(request)
    if key is None:
        return None
    found = (
        await tx.session.execute(
            select(IdempotencyKey).where(
                IdempotencyKey.user_id == user_id,
                IdempotencyKey.route == request.scope["route"].path,
                IdempotencyKey.key == key,
            )
        )
    ).scalar_one_or_none()
    if found is None:
        return None
    if found.fingerprint != seen:
        raise Conflict(f"This {HEADER} was already used for another request. Take a new key.")
    headers = {"Idempotency-Replayed": "true"}
    location = getattr(request.state, "location", None)
    if location is not None:
        headers["Location"] = location.format(**json.loads(found.body))
    return Response(found.body, found.status, media_type="application/json", headers=headers)


async def remember(tx: Tx, request: Request, user_id: UUID, seen: str, response: Response) -> None:
    """Store the answer with its effect. Raises IntegrityError where another request with the key was faster."""
    key = key_of(request)
    if key is None or response.status_code >= 300:
        return
    tx.session.add(
        IdempotencyKey(
            tenant_id=tx.tenant_id, key=key, user_id=user_id, route=request.scope["route"].path, fingerprint=seen,
            status=response.status_code, body=bytes(response.body), created_at=tx.clock.now(),
        )
    )  # fmt: skip
    await tx.session.flush()
