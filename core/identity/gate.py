"""Who may come in: a token says who asks, the tenant's own rows say whether he still may, and what."""

from __future__ import annotations

from dataclasses import replace

from core.identity import repository
from core.identity.keys import api_keys
from core.identity.scim import tokens as scim_tokens
from core.kit.db import Database, Sees, Tx
from core.kit.errors import Unauthenticated
from core.kit.security import Identity, Tokens
from core.tenants.permissions import Roles

_UNPROVEN = frozenset({"can_view_tenant"})
"""What somebody may do who still has to set up his second factor."""


class Gate:
    """`second_factor`: who came by a password alone may do nothing but add one."""

    def __init__(self, tokens: Tokens, roles: Roles, db: Database, *, second_factor: bool = False) -> None:
        self._tokens = tokens
        self._roles = roles
        self._db = db
        self._second_factor = second_factor

    async def authenticate(self, token: str) -> Identity:
        """Raises `Unauthenticated`."""
        if token.startswith(api_keys.PREFIX):
            return await api_keys.authenticate(self._db, self._roles, token)
        if token.startswith(scim_tokens.PREFIX):
            return await scim_tokens.authenticate(self._db, token)
        return self._tokens.check(token)

    async def still(self, tx: Tx, identity: Identity, token: str) -> None:
        """Whether somebody who was let in a while ago would be now: the life of an access token is for coming in, so it
        is the session that counts; a machine has none, and shows its key again. Raises `Unauthenticated`."""
        if identity.session_id is None:
            await self.authenticate(token)
        else:
            await self.admit(tx, identity)

    async def admit(self, tx: Tx, identity: Identity) -> Identity:
        """The identity with what it may do now: an ended session, a suspended user or a role that was taken away counts
        at once, not when the token expires. Raises `Unauthenticated`."""
        if identity.session_id is None:
            await tx.see_as(identity.user_id, sees(identity.scopes))
            return identity
        standing = await repository.standing(tx, identity.session_id)
        if standing is None or standing.user_id != identity.user_id:
            raise Unauthenticated("This session has ended. Log in again.")
        scopes = self._roles.scopes(standing.roles)
        if self._second_factor and not standing.second_factor and standing.method != "sso":
            scopes &= _UNPROVEN
        await tx.see_as(identity.user_id, sees(scopes))
        return replace(identity, roles=standing.roles, scopes=scopes, authenticated_at=standing.authenticated_at)


def sees(scopes: frozenset[str]) -> Sees:
    """Whose deals and calls somebody with these permissions sees."""
    if "can_view_all" in scopes:
        return "tenant"
    return "team" if "can_view_team" in scopes else "own"
