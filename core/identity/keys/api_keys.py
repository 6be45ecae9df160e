"""API keys: `sek_<id>_<secret>`.

A key acts in the name of its maker. It may do what it was made for as long as its maker may still do it.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from core.identity import bearer
from core.identity.keys import repository
from core.identity.keys.model import ApiKey
from core.kit.db import Database, Tx
from core.kit.errors import FieldProblem, Forbidden, Invalid, Unauthenticated
from core.kit.ids import new_id
from core.kit.security import Identity
from core.tenants.permissions import Roles

PREFIX = "sek_"
_REFUSED = "The API key is not good: it is misspelt, has expired, or was rotated or deleted. Ask who made it."


async def create(
    tx: Tx, maker: Identity, *, name: str, scopes: Collection[str], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """The row, and the key that is shown once. Raises `Invalid`, or `Forbidden` for scopes that the maker lacks."""
    if expires_at is not None and expires_at <= tx.clock.now():
        raise Invalid("The key would have expired already.", problems=[FieldProblem("body.expires_at", "is past")])
    if lacking := sorted(set(scopes) - maker.scopes):
        raise Forbidden(f"You cannot give what you may not do yourself: {', '.join(lacking)}.")
    secret = bearer.new_secret()
    row = ApiKey(
        id=new_id(), tenant_id=tx.tenant_id, name=name, secret_hash=bearer.hash_of(secret), scopes=sorted(set(scopes)),
        created_by=maker.user_id, created_at=tx.clock.now(), expires_at=expires_at,
    )  # fmt: skip
    await repository.add(tx, row)
    after = {"name": name, "scopes": row.scopes, "expires_at": expires_at.isoformat() if expires_at else None}
    tx.audit("api_key.created", f"api_key:{row.id}", after=after)
    return row, bearer.written(PREFIX, row.id, row.tenant_id, secret)


async def rotate(tx: Tx, key_id: UUID, asking: Identity) -> tuple[ApiKey, str]:
    """A new secret; the old one is good for nothing from the commit on. Raises `Forbidden` to all but the maker: the
    key acts in his name."""
    row = await repository.key(tx, key_id, lock=True)
    if row.created_by != asking.user_id:
        raise Forbidden("Only who made a key can rotate it. Delete it and make one of your own.")
    secret = bearer.new_secret()
    row.secret_hash, row.rotated_at = bearer.hash_of(secret), tx.clock.now()
    tx.audit("api_key.rotated", f"api_key:{row.id}")
    return row, bearer.written(PREFIX, row.id, row.tenant_id, secret)


async def delete(tx: Tx, key_id: UUID) -> None:
    row = await repository.key(tx, key_id, lock=True)
    tx.audit("api_key.deleted", f"api_key:{row.id}", before={"name": row.name, "scopes": row.scopes})
    await repository.remove(tx, row)


async def authenticate(db: Database, roles: Roles, token: str) -> Identity:
    """Who comes with this key, and what it may do now. Raises `Unauthenticated`, the same for every reason."""
    parsed = bearer.parse(PREFIX, token)
    if parsed is None:
        raise Unauthenticated(_REFUSED)
    tenant_id, key_id, hashed = parsed
    # A transaction of its own: that a key was used stays noted even where the request is then refused.
    async with db.tenant(tenant_id) as tx:
        found = await repository.with_maker(tx, key_id)
        if found is not None and hmac.compare_digest(found[0].secret_hash, hashed):
            row, maker = found
            if maker.is_active and (row.expires_at is None or row.expires_at > tx.clock.now()):
                await repository.note_use(tx, key_id)
                scopes = roles.scopes(maker.roles).intersection(row.scopes)
                return Identity(maker.id, tenant_id, (), scopes, kind="api_key")
    raise Unauthenticated(_REFUSED)


def prefix(row: ApiKey) -> str:
    """How the key begins, to be told apart from others."""
    return PREFIX + row.id.hex
