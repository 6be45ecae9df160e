"""Tokens of the tenant's directory: they are the tenant's, and outlive the administrator who made them."""

from __future__ import annotations

import hmac
from uuid import UUID

from core.identity import bearer
from core.identity.scim import repository
from core.identity.scim.model import ScimToken
from core.kit.db import Database, Tx
from core.kit.errors import Unauthenticated
from core.kit.ids import new_id
from core.kit.security import Identity

PREFIX = "scim_"
SCOPES = frozenset({"can_provision"})
"""All that such a token may do."""
_REFUSED = "The provisioning token is not good: it is misspelt or was deleted. An administrator makes another."


async def create(tx: Tx, maker: Identity, name: str) -> tuple[ScimToken, str]:
    """The row, and the token that is shown once."""
    secret = bearer.new_secret()
    row = ScimToken(
        id=new_id(), tenant_id=tx.tenant_id, name=name, secret_hash=bearer.hash_of(secret), created_by=maker.user_id,
        created_at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, row)
    tx.audit("scim_token.created", f"scim_token:{row.id}", after={"label": name})
    return row, bearer.written(PREFIX, row.id, row.tenant_id, secret)


async def delete(tx: Tx, token_id: UUID) -> None:
    """Good for nothing from the commit on. Raises `NotFound`."""
    row = await repository.token(tx, token_id)
    tx.audit("scim_token.deleted", f"scim_token:{row.id}", before={"label": row.name})
    await repository.remove(tx, row)


async def authenticate(db: Database, token: str) -> Identity:
    """Whose client comes. Raises `Unauthenticated`, the same for every reason."""
    parsed = bearer.parse(PREFIX, token)
    if parsed is not None:
        tenant_id, token_id, hashed = parsed
        async with db.tenant(tenant_id) as tx:
            row = await repository.find_token(tx, token_id)
            if row is not None and hmac.compare_digest(row.secret_hash, hashed):
                await repository.note_use(tx, token_id)
                return Identity(token_id, tenant_id, (), SCOPES, kind="scim")
    raise Unauthenticated(_REFUSED)
