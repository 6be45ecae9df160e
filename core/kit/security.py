"""Passwords (argon2id, RFC 9106) and access tokens (JWT, RFC 7519)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.kit.errors import Unauthenticated
from core.kit.ids import new_id
from core.ports import Clock

ISSUER = "salesedge"
AUDIENCE = "salesedge-api"
_ALGORITHM = "EdDSA"
_MOST_KNOWN = 10_000  # tokens
_hasher = PasswordHasher()


async def hash_password(password: str) -> str:
    # argon2 takes tens of milliseconds of CPU by design: never on the event loop.
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, hashed: str | None) -> bool:
    """Takes as long without a stored hash as with one, so that time does not tell whether the account exists."""

    def check() -> bool:
        try:
            return _hasher.verify(hashed or _DECOY, password) and hashed is not None
        except (Argon2Error, InvalidHashError):
            return False

    return await asyncio.to_thread(check)


_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$c2FsZXNlZGdlLWRlY295$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `session_id`: None for a machine, which came with an API key (`user_id` is its maker) or a token for
    provisioning (`user_id` is the token's id). `authenticated_at`: when the person last proved to be there, known once
    the gate has admitted him."""

    user_id: UUID
    tenant_id: UUID
    roles: tuple[str, ...]
    scopes: frozenset[str]
    session_id: UUID | None = None
    authenticated_at: datetime | None = None
    kind: str = "user"  # user | api_key | scim


class SigningKey:
    """An Ed25519 key for EdDSA (RFC 8037), named by its thumbprint (RFC 7638).

    `secret`: a private key as PEM, or at least 32 random characters that one is derived from (HKDF, RFC 5869).
    """

    def __init__(self, secret: str) -> None:
        if secret.lstrip().startswith("-----BEGIN"):
            loaded = serialization.load_pem_private_key(secret.encode(), password=None)
            if not isinstance(loaded, Ed25519PrivateKey):
                raise ValueError("the signing key is of another kind than Ed25519")
            self.private = loaded
        else:
            self.private = Ed25519PrivateKey.from_private_bytes(derive(secret, "access tokens"))
        self.public = self.private.public_key()
        raw = self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        thumbprint = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
        self.kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": _ALGORITHM}


def derive(secret: str, purpose: str, length: int = 32) -> bytes:
    """A key for one purpose from the installation's secret: keys of two purposes tell nothing of each other."""
    return HKDF(hashes.SHA256(), length, salt=None, info=f"salesedge {purpose}".encode()).derive(secret.encode())


class Tokens:
    """Issues and checks access tokens (JWT profile, RFC 9068). The first key signs; all of them check."""

    def __init__(self, keys: Sequence[SigningKey], *, lifetime_s: int, clock: Clock) -> None:
        self._keys = {key.kid: key for key in keys}
        self._signing = keys[0]
        self._lifetime = timedelta(seconds=lifetime_s)
        self._clock = clock
        # Whose signature was checked; keys do not change while a process lives.
        self._known: OrderedDict[str, tuple[Identity, float]] = OrderedDict()

    @property
    def lifetime_s(self) -> int:
        return int(self._lifetime.total_seconds())

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [key.jwk for key in self._keys.values()]}

    def issue(self, identity: Identity) -> str:
        now = self._clock.now()
        claims: dict[str, Any] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": str(identity.user_id), "tenant_id": str(identity.tenant_id),
            "roles": list(identity.roles), "scopes": sorted(identity.scopes), "sid": str(identity.session_id),
            "iat": now, "exp": now + self._lifetime, "jti": str(new_id()),
        }  # fmt: skip
        headers = {"kid": self._signing.kid, "typ": "at+jwt"}
        return jwt.encode(claims, self._signing.private, algorithm=_ALGORITHM, headers=headers)

    def check(self, token: str) -> Identity:
        """Raises `Unauthenticated` for anything but a token of ours that is still good."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._read(token)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        identity, until_s = known
        if until_s <= self._clock.now().timestamp():
            del self._known[token]
            raise Unauthenticated("The access token has expired. Get another by POST /v1/refresh.")
        return identity

    def _read(self, token: str) -> tuple[Identity, float]:
        """Whose it is and until when, whatever time it is. Raises `Unauthenticated`."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token, key.public, algorithms=[_ALGORITHM], issuer=ISSUER, audience=AUDIENCE,
                options={
                    "require": ["sub", "tenant_id", "sid", "exp", "jti"], "verify_exp": False, "verify_iat": False,
                },
            )  # fmt: skip
            identity = Identity(
                UUID(claims["sub"]), UUID(claims["tenant_id"]), tuple(claims["roles"]), frozenset(claims["scopes"]),
                UUID(claims["sid"]),
            )  # fmt: skip
            return identity, float(claims["exp"])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise Unauthenticated("The access token is not valid. Log in and send `Authorization: Bearer …`.") from None
