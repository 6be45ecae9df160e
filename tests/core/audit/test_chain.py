"""What enters the trail, in which order, and who may touch it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.audit import repository
from core.audit.chain import GENESIS, HIDDEN, hash_of, plain
from core.audit.model import AuditEntry
from core.kit.db import Actor
from core.kit.ids import new_id
from tests.core.test_isolation import owner_connection
from tests.support import Api, Client, member


async def tenant_of(client: Client) -> UUID:
    return UUID((await client.get("/v1/tenant")).json()["id"])


async def chain(api: Api, tenant_id: UUID) -> list[AuditEntry]:
    async with api.services.db.tenant(tenant_id) as tx:
        return await repository.after(tx, 0, 10_000)


def whole(rows: list[AuditEntry]) -> bool:
    previous = [GENESIS, *(row.hash for row in rows)]
    return [row.seq for row in rows] == list(range(1, len(rows) + 1)) and all(
        row.previous_hash == before and hash_of(row) == row.hash for row, before in zip(rows, previous, strict=False)
    )


async def test_signing_up_begins_a_chain_and_a_change_says_who_from_where_and_what(api: Api, ana: Client) -> None:
    await ana.patch("/v1/tenant", json={"autonomy": "act"})
    rows = await chain(api, await tenant_of(ana))
    assert [row.action for row in rows] == ["tenant.created", "session.opened", "tenant.changed"]
    me = (await ana.get("/v1/me")).json()
    changed = rows[-1]
    assert str(changed.actor_id) == me["id"]
    assert (changed.actor_kind, changed.address) == ("user", "127.0.0.1")
    assert (changed.before, changed.after) == ({"autonomy": "approve"}, {"autonomy": "act"})
    assert whole(rows)


async def test_fifty_at_once_make_one_chain_without_a_gap(api: Api, ana: Client) -> None:
    tenant_id = await tenant_of(ana)

    async def once(number: int) -> None:
        async with api.services.db.tenant(tenant_id) as tx:
            tx.audit("test.counted", f"number:{number}")

    before = len(await chain(api, tenant_id))
    await asyncio.gather(*(once(number) for number in range(50)))
    rows = await chain(api, tenant_id)
    assert len(rows) == before + 50
    assert whole(rows)


async def test_a_writer_of_one_tenant_does_not_wait_for_another_tenants(api: Api) -> None:
    one, other = new_id(), new_id()
    async with api.services.db.tenant(one) as slow:
        await repository.lock(slow)
        async with asyncio.timeout(10), api.services.db.tenant(other) as quick:
            quick.audit("test.counted", "number:1")
    assert len(await chain(api, other)) == 1


async def test_what_was_undone_is_not_in_the_trail(api: Api) -> None:
    tenant_id = new_id()

    async def fail() -> None:
        async with api.services.db.tenant(tenant_id) as tx:
            tx.audit("test.counted", "number:1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await chain(api, tenant_id) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries",
     "UPDATE audit_entries SET address = '10.0.0.1', address_salt = 'x'"],
)  # fmt: skip
async def test_neither_the_application_nor_the_owner_changes_a_line(api: Api, ana: Client, statement: str) -> None:
    tenant_id = await tenant_of(ana)
    async with api.services.db.tenant(tenant_id) as tx:
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
            await tx.session.execute(text(statement))
        await tx.session.rollback()
    with owner_connection(api) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        owner.execute(statement.encode())


async def test_a_line_that_reads_back_differently_would_break_the_chain_and_none_does(api: Api) -> None:
    tenant_id = new_id()
    odd = {
        "big": 2**70, "float": 1e300, "small": 5e-324, "whole": 2.0, "minus": -0.0, "text": 'é "\\ \u2028',
        "list": (1, None, True), "set": {"b", "a"}, "when": datetime(2026, 1, 1, tzinfo=UTC), "id": tenant_id,
        "inner": {"email": "a@b.example", "count": 1},
    }  # fmt: skip
    async with api.services.db.tenant(tenant_id) as tx:
        tx.audit("test.odd", "odd:1", before=odd, after={})
    assert whole(await chain(api, tenant_id))


def test_what_is_personal_never_enters() -> None:
    told = plain({"email": "ana@example.com", "inner": [{"user_agent": "Firefox"}], "roles": ["ADMIN"], "name": None})
    assert told == {"email": HIDDEN, "inner": [{"user_agent": HIDDEN}], "roles": ["ADMIN"], "name": None}


async def test_the_machinery_is_named_as_such(api: Api) -> None:
    tenant_id, user_id = new_id(), new_id()
    async with api.services.db.tenant(tenant_id) as tx:
        tx.audit("test.counted", "number:1")
    async with api.services.db.tenant(tenant_id) as tx:
        tx.actor = Actor(user_id, "api_key")
        tx.audit("test.counted", "number:2")
    assert [(row.actor_kind, row.actor_id) for row in await chain(api, tenant_id)] == [
        ("system", None), ("api_key", user_id),
    ]  # fmt: skip


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_administrators_read_it_newest_first_page_by_page_and_others_do_not(api: Api, ana: Client) -> None:
    for autonomy in ("act", "suggest", "approve"):
        await ana.patch("/v1/tenant", json={"autonomy": autonomy})
    first = (await ana.get("/v1/audit", params={"limit": 2})).json()
    second = (await ana.get("/v1/audit", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [entry["seq"] for entry in [*first["items"], *second["items"]]] == [5, 4, 3, 2]
    manager = await member(api, ana, "MANAGER")
    assert (await manager.get("/v1/audit")).status_code == 403
    assert (await manager.get("/v1/audit/export")).status_code == 403


async def test_each_filter_narrows(api: Api, ana: Client) -> None:
    await ana.patch("/v1/tenant", json={"autonomy": "act"})
    me = (await ana.get("/v1/me")).json()
    now = api.services.clock.now().isoformat()

    async def actions(**query: str) -> list[str]:
        return [entry["action"] for entry in (await ana.get("/v1/audit", params=query)).json()["items"]]

    assert await actions(action="tenant.changed") == ["tenant.changed"]
    assert await actions(subject=f"user:{me['id']}") == ["session.opened"]
    assert await actions(actor_id=me["id"]) == ["tenant.changed", "session.opened"]
    assert await actions(actor_id=str(new_id())) == []
    assert len(await actions(since=now)) == 3
    assert await actions(until=now) == []
    assert (await ana.get("/v1/audit", params={"since": "yesterday"})).status_code == 422


async def test_the_export_can_be_checked_without_us(ana: Client) -> None:
    await ana.patch("/v1/tenant", json={"autonomy": "act"})
    answer = await ana.get("/v1/audit/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert [entry["previous_hash"] for entry in entries] == ["00" * 32, *(entry["hash"] for entry in entries[:-1])]
    more = [json.loads(line) for line in (await ana.get("/v1/audit/export", params={"after": 3})).text.splitlines()]
    assert [(entry["seq"], entry["action"]) for entry in more] == [(4, "audit.exported")]
