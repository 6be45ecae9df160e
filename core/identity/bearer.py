"""Tokens of machines: `<prefix><id>_<secret>`, where the id names token and tenant, so that the token is looked up
behind the tenant's row-level security like everything else. Only the SHA-256 of its 256 random bits is kept."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

_ID_DIGITS = 64


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def written(prefix: str, token_id: UUID, tenant_id: UUID, secret: str) -> str:
    return f"{prefix}{token_id.hex}{tenant_id.hex}_{secret}"


def parse(prefix: str, token: str) -> tuple[UUID, UUID, bytes] | None:
    """(tenant, token, hash of the secret); None for what is no such token."""
    named, _, secret = token.removeprefix(prefix).partition("_")
    try:
        raw = bytes.fromhex(named)
    except ValueError:
        raw = b""
    if not token.startswith(prefix) or len(raw) != _ID_DIGITS // 2 or not secret:
        return None
    return UUID(bytes=raw[16:]), UUID(bytes=raw[:16]), hash_of(secret)
