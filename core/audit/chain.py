"""The chain: SHA-256 over an entry as canonical JSON (RFC 8785), which holds the hash of the entry before it."""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import rfc8785

from core.audit import repository
from core.audit.model import AuditEntry
from core.kit.db import Actor, Base, Entry, Tx
from core.kit.ids import new_id

GENESIS = bytes(32)
"""What the first entry names as the hash before it."""
HIDDEN = "…"
_MOST_EXACT = 2**53 - 1
_SALT_BYTES = 16


async def write(tx: Tx) -> None:
    """Add what was said in this transaction to its tenant's chain. The lock is held from here to the commit, so that
    two transactions of a tenant never continue from the same entry."""
    await repository.lock(tx)
    last = await repository.last(tx)
    seq, previous = (last.seq, last.hash) if last else (0, GENESIS)
    rows = []
    for number, entry in enumerate(tx.audited, seq + 1):
        row = _row(tx, entry, number, previous)
        previous = row.hash
        rows.append(row)
    await repository.add(tx, rows)


def _row(tx: Tx, entry: Entry, seq: int, previous: bytes) -> AuditEntry:
    actor = tx.actor or Actor(None, "system")
    salt = secrets.token_bytes(_SALT_BYTES) if actor.address else None
    row = AuditEntry(
        id=new_id(), tenant_id=tx.tenant_id, seq=seq, at=tx.clock.now().astimezone(UTC), actor_id=actor.user_id,
        actor_kind=actor.kind, address=actor.address, address_salt=salt,
        address_hash=hash_of_address(actor.address, salt), action=entry.action, subject=entry.subject,
        before=plain(entry.before), after=plain(entry.after), previous_hash=previous,
    )  # fmt: skip
    row.hash = hash_of(row)
    return row


def hash_of(row: AuditEntry) -> bytes:
    """32 bytes."""
    return hashlib.sha256(
        rfc8785.dumps(
            {
                "tenant": str(row.tenant_id), "seq": row.seq, "at": row.at.astimezone(UTC).isoformat(),
                "actor": str(row.actor_id) if row.actor_id else None, "kind": row.actor_kind,
                "from": row.address_hash.hex() if row.address_hash else None,
                "action": row.action, "subject": row.subject, "before": row.before, "after": row.after,
                "previous": row.previous_hash.hex(),
            }
        )
    ).digest()  # fmt: skip


def hash_of_address(address: str | None, salt: bytes | None) -> bytes | None:
    """None without an address, or where it was erased together with its salt."""
    return hashlib.sha256(salt + address.encode()).digest() if address and salt else None


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON that reads back as it was written. What is personal does not enter: it could never leave again."""
    hidden = _personal()
    return {str(name): HIDDEN if name in hidden and value else _json(value) for name, value in values.items()}


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_json(item) for item in items]
    if isinstance(value, Enum):
        return _json(value.value)
    if isinstance(value, bool | None):
        return value
    if isinstance(value, float):
        # PostgreSQL reads a large one back as an integer, for which canonical JSON has no exact form.
        return value if abs(value) <= _MOST_EXACT else str(value)
    if isinstance(value, int):
        return value if abs(value) <= _MOST_EXACT else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


@functools.cache
def _personal() -> frozenset[str]:
    """Names of columns that hold personal data, in any table."""
    columns = (column for table in Base.metadata.tables.values() for column in table.columns)
    return frozenset(column.name for column in columns if column.info.get("personal"))
