"""A sign-in by way of the tenant's provider: how it is sent out, how it comes back, and who it turns out to be.

State and cookie belong together (RFC 9700 §4.7): the state is sealed, short-lived and good once, and only the browser
that holds the cookie can bring it back. PKCE verifier and nonce are derived from the cookie, so that nothing has to be
stored before somebody has proved who he is. Each provider has its own redirect URI, which together with the `iss` of
RFC 9207 keeps answers of one provider from being taken for another's (§4.4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.identity.sso import repository, rules
from core.identity.sso.model import SsoIdentity, SsoProvider
from core.kit.db import Tx
from core.kit.errors import Forbidden, Unauthenticated
from core.kit.ids import new_id
from core.kit.sealing import Sealer
from core.tenants import repository as tenants
from core.tenants.model import User

LIFETIME = timedelta(minutes=10)
_FORM = struct.Struct(">16s16s16sQ32s")
_CONTEXT = b"state"
_AGAIN = "This sign-in cannot be finished: it is too old, was finished before, or was begun elsewhere. Start it again."


@dataclass(frozen=True, slots=True)
class State:
    """One sign-in that is under way."""

    id: UUID
    tenant_id: UUID
    provider_id: UUID
    expires_at: datetime
    browser: str

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        """43 characters: 256 bits (RFC 7636 §4.1)."""
        return self._derived(b"verifier")

    def _derived(self, purpose: bytes) -> str:
        return _text(hmac.digest(self.browser.encode(), purpose + self.id.bytes, "sha256"))


def begin(provider: SsoProvider, now: datetime) -> State:
    return State(new_id(), provider.tenant_id, provider.id, now + LIFETIME, secrets.token_urlsafe(32))


def seal(state: State, sealer: Sealer) -> str:
    """What goes round by the provider: ids, end, and the hash of the cookie."""
    ends = int(state.expires_at.timestamp())
    packed = _FORM.pack(state.id.bytes, state.tenant_id.bytes, state.provider_id.bytes, ends, _hash(state.browser))
    return _text(sealer.seal(packed, _CONTEXT))


def unseal(sealed: str, browser: str, provider_id: UUID, sealer: Sealer, now: datetime) -> State:
    """Raises `Unauthenticated` for a state that is not ours, of another browser, of another provider, or too old."""
    try:
        raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        one, tenant, provider, ends, hashed = _FORM.unpack(sealer.open(raw, _CONTEXT))
    except (ValueError, binascii.Error, struct.error):
        raise Unauthenticated(_AGAIN) from None
    state = State(UUID(bytes=one), UUID(bytes=tenant), UUID(bytes=provider), datetime.fromtimestamp(ends, UTC), browser)
    if not hmac.compare_digest(hashed, _hash(browser)) or state.provider_id != provider_id or state.expires_at <= now:
        raise Unauthenticated(_AGAIN)
    return state


async def use(tx: Tx, state: State) -> SsoProvider:
    """Use the state up, in a transaction of its tenant. Raises `Unauthenticated`."""
    if not await repository.use_state(tx, state.id, state.expires_at):
        raise Unauthenticated(_AGAIN)
    provider = await repository.provider(tx, state.provider_id)
    if not provider.is_enabled:
        raise Unauthenticated("Single sign-on with this provider is switched off. Ask your administrator.")
    return provider


async def admit(tx: Tx, provider: SsoProvider, claims: Mapping[str, Any]) -> User:
    """The user whom verified claims mean: known by subject, else by a verified address of an allowed domain, else new.
    Raises `Forbidden`."""
    user = await repository.user_of(tx, provider.id, claims["sub"])
    if user is None:
        user = await _link(tx, provider, claims)
    if not user.is_active:
        raise Forbidden("This user is suspended. Ask your administrator.")
    if provider.groups_claim is not None:
        settings = await repository.settings(tx)
        groups = rules.groups_in(claims, provider.groups_claim)
        await give_roles(tx, user, rules.roles_after(user.roles, groups, provider.group_roles, settings.default_role))
    return user


async def give_roles(tx: Tx, user: User, roles: list[str]) -> None:
    """Roles that groups give. The last administrator stays one: a wrong group must not leave a tenant without any."""
    if "ADMIN" in user.roles and "ADMIN" not in roles and not await repository.has_other_admin(tx, user.id):
        roles = ["ADMIN", *roles]
    if sorted(roles) != sorted(user.roles):
        tx.audit("user.roles_changed", f"user:{user.id}", before={"roles": list(user.roles)}, after={"roles": roles})
        user.roles = roles


async def _link(tx: Tx, provider: SsoProvider, claims: Mapping[str, Any]) -> User:
    email = rules.verified_email(claims, provider.allowed_domains)
    if email is None:
        raise Forbidden("Your identity provider does not vouch for an e-mail address of this company.")
    user = await repository.user_by_email(tx, email)
    if user is None:
        if not provider.creates_users:
            raise Forbidden("You are no user of this company yet. Ask your administrator to add you.")
        user = await _create(tx, email, claims)
    user.is_sso = True
    identity = SsoIdentity(
        id=new_id(), tenant_id=tx.tenant_id, user_id=user.id, provider_id=provider.id, subject=claims["sub"],
        created_at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, identity)
    tx.audit("user.sso_linked", f"user:{user.id}", after={"provider": provider.slug})
    return user


async def _create(tx: Tx, email: str, claims: Mapping[str, Any]) -> User:
    name = "".join(letter for letter in str(claims.get("name", "")) if letter.isprintable()).strip()
    settings = await repository.settings(tx)
    user = User(
        id=new_id(), tenant_id=tx.tenant_id, email=email, roles=[settings.default_role], is_sso=True,
        name=name[:200] or email.partition("@")[0], created_at=tx.clock.now(),
    )  # fmt: skip
    await tenants.add(tx, user)
    tx.audit("user.created", f"user:{user.id}", after={"roles": user.roles, "by": "sso"})
    return user


def _hash(browser: str) -> bytes:
    return hashlib.sha256(browser.encode()).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
