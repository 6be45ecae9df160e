"""Every way of falsifying a trail, done by somebody with all rights on the database, is found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.audit.anchors import Anchor, Seal, anchor, key_of
from core.audit.chain import GENESIS, hash_of
from core.audit.verify import Verified, verify
from tests.core.audit.test_chain import chain, tenant_of
from tests.core.test_isolation import owner_connection
from tests.support import Api, Client

SEAL = Seal("a secret of thirty-two characters")
Falsify = Callable[[psycopg.Connection[Any]], object]


@pytest.fixture
async def tenant_id(api: Api, ana: Client) -> UUID:
    """With six entries, anchored after the sixth."""
    for autonomy in ("act", "suggest", "approve", "act"):
        await ana.patch("/v1/tenant", json={"autonomy": autonomy})
    assert await anchor(api.services.db, api.services.objects, SEAL) == 1
    return await tenant_of(ana)


async def checked(api: Api, seal: Seal = SEAL) -> Verified:
    return await verify(api.services.db, api.services.objects, seal)


def falsify(api: Api, *statements: str) -> None:
    with owner_connection(api) as owner:
        owner.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement.encode())


async def test_a_trail_as_it_was_written_has_no_findings(api: Api, tenant_id: UUID) -> None:
    verified = await checked(api)
    assert (verified.tenants, verified.entries, verified.anchors, verified.findings) == (1, 6, 1, ())


@pytest.mark.parametrize(
    "change",
    ["action = 'x'", "subject = 'user:0'", "after = '{}'", "before = '{\"a\": 1}'", "at = at - interval '1 hour'",
     "actor_id = NULL", "actor_kind = 'system'", "address = '10.9.9.9'", "address_hash = 'x'"],
)  # fmt: skip
async def test_an_edit_is_found(api: Api, tenant_id: UUID, change: str) -> None:
    falsify(api, f"UPDATE audit_entries SET {change} WHERE seq = 3")
    findings = (await checked(api)).findings
    assert [(f.tenant_id, f.seq, f.what) for f in findings] == [(str(tenant_id), 3, "was changed after it was written")]


async def test_a_deletion_is_found(api: Api, tenant_id: UUID) -> None:
    falsify(api, "DELETE FROM audit_entries WHERE seq IN (3, 4)")
    assert [(f.seq, f.what) for f in (await checked(api)).findings] == [(3, "missing up to entry 4: deleted")]


async def test_a_deletion_whose_gap_was_closed_is_found(api: Api, tenant_id: UUID) -> None:
    falsify(
        api, "DELETE FROM audit_entries WHERE seq = 3", "UPDATE audit_entries SET seq = seq - 1 WHERE seq = 4",
        "UPDATE audit_entries SET seq = seq - 1 WHERE seq = 5", "UPDATE audit_entries SET seq = seq - 1 WHERE seq = 6",
    )  # fmt: skip
    found = {f.seq for f in (await checked(api)).findings}
    assert {3, 6} <= found


async def test_another_order_is_found(api: Api, tenant_id: UUID) -> None:
    falsify(
        api, "UPDATE audit_entries SET seq = 99 WHERE seq = 3", "UPDATE audit_entries SET seq = 3 WHERE seq = 4",
        "UPDATE audit_entries SET seq = 4 WHERE seq = 99",
    )  # fmt: skip
    assert {3, 4} <= {f.seq for f in (await checked(api)).findings}


async def test_an_end_that_was_cut_off_is_found_by_the_anchor(api: Api, tenant_id: UUID) -> None:
    falsify(api, "DELETE FROM audit_entries WHERE seq > 4")
    assert [f.seq for f in (await checked(api)).findings] == [6]


async def test_a_trail_of_which_nothing_is_left_is_found_by_the_anchor(api: Api, tenant_id: UUID) -> None:
    falsify(api, "DELETE FROM audit_entries")
    assert [(f.tenant_id, f.seq) for f in (await checked(api)).findings] == [(str(tenant_id), 6)]


async def test_a_chain_that_was_written_anew_is_found_by_the_anchor(api: Api, tenant_id: UUID) -> None:
    rows, previous = await chain(api, tenant_id), GENESIS
    with owner_connection(api) as owner:
        owner.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        for row in rows:
            row.action = "nothing.happened" if row.seq == 3 else row.action
            row.previous_hash, row.hash = previous, b""
            row.hash = previous = hash_of(row)
            owner.execute(
                "UPDATE audit_entries SET action = %s, previous_hash = %s, hash = %s WHERE id = %s",
                (row.action, row.previous_hash, row.hash, row.id),
            )
    findings = (await checked(api)).findings
    assert [f.seq for f in findings] == [6]
    assert "written anew" in findings[0].what


async def test_an_anchor_of_somebody_elses_is_none(api: Api, tenant_id: UUID) -> None:
    forged = Seal("another secret of thirty-two chars").sign(Anchor(str(tenant_id), 6, "00", "2026-11-24"))
    await api.services.objects.put(key_of(tenant_id, 6), forged)
    assert [f.seq for f in (await checked(api)).findings] == [0]


async def test_an_anchor_says_nothing_of_another_tenant(api: Api, tenant_id: UUID) -> None:
    kept = await api.services.objects.get(key_of(tenant_id, 6))
    other = "01900000-0000-7000-8000-000000000000"
    await api.services.objects.put(key_of(other, 6), kept)
    assert [(f.tenant_id, f.seq) for f in (await checked(api)).findings] == [(other, 0)]


async def test_only_heads_that_moved_are_anchored_again(api: Api, ana: Client, tenant_id: UUID) -> None:
    db, objects = api.services.db, api.services.objects
    assert await anchor(db, objects, SEAL) == 0
    await ana.patch("/v1/tenant", json={"autonomy": "suggest"})
    assert await anchor(db, objects, SEAL) == 1
    assert (await checked(api)).anchors == 2


async def test_an_address_that_was_erased_leaves_the_chain_whole(api: Api, tenant_id: UUID) -> None:
    with owner_connection(api) as owner:
        gone = owner.execute("UPDATE audit_entries SET address = NULL, address_salt = NULL WHERE address IS NOT NULL")
        assert gone.rowcount > 0
    assert (await checked(api)).findings == ()
