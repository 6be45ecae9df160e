"""Passwords (argon2id, RFC 9106) and access tokens (JWT, RFC 7519)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from core.kit.errors import Unauthenticated
from core.kit.ids import new_id
from core.ports import Clock

ISSUER = "salesedge"
_ALGORITHM = "HS256"
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
    """Who asks, as the access token says."""

    user_id: UUID
    tenant_id: UUID
    roles: tuple[str, ...]
    scopes: frozenset[str]


class Tokens:
    """Issues and checks access tokens."""

    def __init__(self, key: str, *, lifetime_s: int, clock: Clock) -> None:
        self._key = key
        self._lifetime = timedelta(seconds=lifetime_s)
        self._clock = clock

    @property
    def lifetime_s(self) -> int:
        return int(self._lifetime.total_seconds())

    def issue(self, identity: Identity) -> str:
        now = self._clock.now()
        claims: dict[str, Any] = {
            "iss": ISSUER, "sub": str(identity.user_id), "tenant_id": str(identity.tenant_id),
            "roles": list(identity.roles), "scopes": sorted(identity.scopes),
            "iat": now, "exp": now + self._lifetime, "jti": str(new_id()),
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, token: str) -> Identity:
        """Raises `Unauthenticated` for anything but a token of ours that is still good."""
        try:
            claims = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], issuer=ISSUER,
                options={"require": ["sub", "tenant_id", "exp", "jti"], "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
            if claims["exp"] <= self._clock.now().timestamp():
                raise Unauthenticated("The access token has expired. Log in again.")
            return Identity(
                UUID(claims["sub"]), UUID(claims["tenant_id"]), tuple(claims["roles"]), frozenset(claims["scopes"])
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise Unauthenticated("The access token is not valid. Log in and send `Authorization: Bearer …`.") from None
