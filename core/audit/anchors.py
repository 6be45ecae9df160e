"""Heads of chains, signed and kept outside of the database: what was cut off the end of a trail, or written anew from
the start, no longer fits them. An anchor is a JSON Web Signature (RFC 7515) by an Ed25519 key (RFC 8037)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from uuid import UUID

import jwt

from core.audit import repository
from core.kit.db import Database
from core.kit.security import SigningKey, derive
from core.ports import ObjectStore

FOLDER = "audit"
_ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS()


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a tenant's chain at a moment."""

    tenant: str
    seq: int
    hash: str
    at: str


class Seal:
    """Signs anchors with a key of its own, derived from the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._key = SigningKey(derive(secret, "audit anchors").hex())

    def sign(self, anchor: Anchor) -> bytes:
        payload = json.dumps(asdict(anchor)).encode()
        return _JWS.encode(payload, self._key.private, algorithm=_ALGORITHM, headers={"kid": self._key.kid}).encode()

    def read(self, signed: bytes) -> Anchor | None:
        """None for what was not signed by this key."""
        try:
            return Anchor(**json.loads(_JWS.decode(signed, self._key.public, algorithms=[_ALGORITHM])))
        except (jwt.PyJWTError, ValueError, TypeError):
            return None


def key_of(tenant_id: UUID | str, seq: int) -> str:
    return f"{FOLDER}/{tenant_id}/{seq:012d}.jws"


async def anchor(db: Database, objects: ObjectStore, seal: Seal) -> int:
    """Put down the head of every tenant's chain; returns how many had moved since the last time."""
    async with db.system() as tx:
        heads = await repository.heads(tx)
    moved = 0
    for head in heads:
        key = key_of(head.tenant_id, head.seq)
        if not await objects.exists(key):
            put = Anchor(str(head.tenant_id), head.seq, head.hash.hex(), db.clock.now().isoformat())
            await objects.put(key, seal.sign(put))
            moved += 1
    return moved
