"""Is every trail as it was written? Each entry is hashed again, and the chain is held against its anchors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from core.audit import repository
from core.audit.anchors import FOLDER, Seal
from core.audit.chain import GENESIS, hash_of, hash_of_address
from core.audit.model import AuditEntry
from core.kit.db import Database
from core.ports import ObjectStore

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `seq`: at which entry."""

    tenant_id: str
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was read, and all that was found."""

    tenants: int
    entries: int
    anchors: int
    findings: tuple[Finding, ...]


async def verify(db: Database, objects: ObjectStore, seal: Seal, tenant_id: UUID | None = None) -> Verified:
    """Of one tenant or of all, also of those of whom nothing but anchors is left."""
    anchored = await _anchors(objects)
    if tenant_id is not None:
        tenants = {str(tenant_id)}
    else:
        async with db.system() as tx:
            tenants = {str(head.tenant_id) for head in await repository.heads(tx)} | set(anchored)
    findings: list[Finding] = []
    entries = 0
    for tenant in sorted(tenants):
        hashes, found = await _chain(db, tenant)
        entries += len(hashes)
        findings += found
        for key in anchored.get(tenant, []):
            findings += await _against(objects, seal, tenant, key, hashes)
    kept = sum(len(anchored.get(tenant, [])) for tenant in tenants)
    return Verified(len(tenants), entries, kept, tuple(findings))


async def _anchors(objects: ObjectStore) -> dict[str, list[str]]:
    """Tenant → keys of its anchors."""
    found: dict[str, list[str]] = {}
    for key in sorted(await objects.keys(f"{FOLDER}/")):
        found.setdefault(key.split("/")[1], []).append(key)
    return found


async def _chain(db: Database, tenant: str) -> tuple[dict[int, bytes], list[Finding]]:
    """The hash of each entry as it is now, and what is wrong in the chain itself."""
    hashes: dict[int, bytes] = {}
    findings: list[Finding] = []
    previous, expected = GENESIS, 1
    async for row in _rows(db, UUID(tenant)):
        if row.seq > expected:
            findings.append(Finding(tenant, expected, f"missing up to entry {row.seq - 1}: deleted"))
        elif row.previous_hash != previous:
            findings.append(Finding(tenant, row.seq, "does not continue from the entry before it"))
        if _changed(row):
            findings.append(Finding(tenant, row.seq, "was changed after it was written"))
        hashes[row.seq] = row.hash
        previous, expected = row.hash, row.seq + 1
    return hashes, findings


async def _rows(db: Database, tenant_id: UUID) -> AsyncIterator[AuditEntry]:
    seq = 0
    while True:
        async with db.system() as tx:
            page = await repository.after(tx, seq, _PAGE, tenant_id)
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        seq = page[-1].seq


def _changed(row: AuditEntry) -> bool:
    erased = row.address is None and row.address_salt is None
    return hash_of(row) != row.hash or not (
        erased or hash_of_address(row.address, row.address_salt) == row.address_hash
    )


async def _against(
    objects: ObjectStore, seal: Seal, tenant: str, key: str, hashes: dict[int, bytes]
) -> list[Finding]:  # fmt: skip
    anchor = seal.read(await objects.get(key))
    if anchor is None or anchor.tenant != tenant:
        return [Finding(tenant, 0, f"the anchor {key} was not signed by this installation")]
    if anchor.seq not in hashes:
        return [Finding(tenant, anchor.seq, f"is gone, and was there on {anchor.at}: cut off or deleted")]
    if hashes[anchor.seq].hex() != anchor.hash:
        return [Finding(tenant, anchor.seq, f"is another than that of {anchor.at}: the chain was written anew")]
    return []
