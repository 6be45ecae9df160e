"""Versions: registered, judged, promoted, taken back; rows and pointers say the same, whatever happens in between."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import pytest

from core.datascience.models import repository, versions
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import CHALLENGER, CHAMPION, Pointer, Scope, pointer_key
from core.kit.db import Database
from core.kit.errors import BadAnswer, BadInput, Conflict, Forbidden, NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest
from tests.core.datascience.models.made import EVERYBODY, PASSED, REFUSED, new_tenant, registered
from tests.fakes.engines import FakeObjects

ALL = PageRequest(limit=50, before=None)


@pytest.fixture
def objects() -> FakeObjects:
    return FakeObjects()


@pytest.fixture
async def tenant(db: Database) -> UUID:
    return await new_tenant(db)


async def pointed(objects: FakeObjects, scope: Scope, alias: str = CHAMPION) -> int | None:
    try:
        raw = await objects.get(pointer_key("forecast", scope, alias))  # type: ignore[arg-type]
    except NotFound:
        return None
    pointer = Pointer.from_json(raw)
    assert hashlib.sha256(await objects.get(pointer.key)).hexdigest() == pointer.sha256
    return pointer.version


async def made(db: Database, objects: FakeObjects, scope: Scope, count: int) -> list[ModelVersion]:
    """So many versions, each promoted after the other."""
    rows = []
    for version in range(1, count + 1):
        async with versions.transaction(db, scope) as tx:
            rows.append(await registered(tx, objects, scope, version, PASSED))
    return rows


async def state(db: Database, scope: Scope) -> dict[int, tuple[str, str | None]]:
    async with versions.transaction(db, scope) as tx:
        return {row.version: (row.status, row.alias) for row in await repository.versions(tx, ALL, scope=scope.name)}


async def test_what_passes_is_promoted_and_what_does_not_waits(
    db: Database, objects: FakeObjects, tenant: UUID
) -> None:
    scope = Scope.of_tenant(tenant)
    async with db.tenant(tenant) as tx:
        await registered(tx, objects, scope, 1)
        await registered(tx, objects, scope, 2, PASSED)
        await registered(tx, objects, scope, 3, REFUSED)
    assert await state(db, scope) == {1: ("candidate", None), 2: ("champion", CHAMPION), 3: ("refused", None)}
    assert await pointed(objects, scope) == 2


async def test_promotion_replaces_and_rollback_returns(db: Database, objects: FakeObjects, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    one, two, three = await made(db, objects, scope, 3)
    assert await pointed(objects, scope) == 3
    async with db.tenant(tenant) as tx:
        back = await versions.roll_back(tx, objects, three.id)
    assert back is not None
    assert back.id == two.id
    assert await pointed(objects, scope) == 2
    assert await state(db, scope) == {1: ("retired", None), 2: ("champion", CHAMPION), 3: ("retired", None)}
    async with db.tenant(tenant) as tx:
        back = await versions.roll_back(tx, objects, two.id)
    assert back is not None
    assert back.id == one.id
    async with db.tenant(tenant) as tx:
        assert await versions.roll_back(tx, objects, one.id) is None
        assert await repository.bearer(tx, "forecast", scope, CHAMPION) is None
    assert await pointed(objects, scope) is None


async def test_twice_is_once(db: Database, objects: FakeObjects, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    one, two = await made(db, objects, scope, 2)
    for _ in range(3):
        async with db.tenant(tenant) as tx:
            back = await versions.roll_back(tx, objects, two.id)
        assert back is not None
        assert back.id == one.id
    for _ in range(3):
        async with db.tenant(tenant) as tx:
            await versions.promote(tx, objects, two.id)
    async with db.tenant(tenant) as tx:
        actions = [change.action for change in await repository.changes(tx, two.id)]
    assert actions == ["registered", "promoted", "rolled_back", "promoted"]
    assert await pointed(objects, scope) == 2


async def test_a_refused_version_is_promoted_by_force_alone(db: Database, objects: FakeObjects, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    async with db.tenant(tenant) as tx:
        row = await registered(tx, objects, scope, 1, REFUSED)
    with pytest.raises(Conflict):
        async with db.tenant(tenant) as tx:
            await versions.promote(tx, objects, row.id)
    async with db.tenant(tenant) as tx:
        await versions.promote(tx, objects, row.id, force=True)
        assert [c.action for c in await repository.changes(tx, row.id)] == ["registered", "refused", "forced"]


async def test_of_many_at_once_each_sees_a_whole_state(db: Database, objects: FakeObjects, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    rows = await made(db, objects, scope, 4)

    async def turn(row: ModelVersion, back: bool) -> None:
        async with db.tenant(tenant) as tx:
            await (versions.roll_back if back else versions.promote)(tx, objects, row.id)

    await asyncio.gather(*(turn(row, back) for row in rows for back in (False, True, False)))
    found = await state(db, scope)
    champions = [version for version, (status, alias) in found.items() if alias == CHAMPION and status == "champion"]
    assert len(champions) == 1
    assert sum(status == "champion" or alias is not None for status, alias in found.values()) == 1
    assert await pointed(objects, scope) == champions[0]


async def test_a_transaction_that_is_undone_leaves_the_pointer(
    db: Database, objects: FakeObjects, tenant: UUID
) -> None:
    scope = Scope.of_tenant(tenant)
    one, two = await made(db, objects, scope, 2)

    async def undone(change: Any, version_id: UUID) -> None:
        async with db.tenant(tenant) as tx:
            await change(tx, objects, version_id)
            raise KeyboardInterrupt

    for change in (versions.roll_back, versions.promote, versions.challenge):
        with pytest.raises(KeyboardInterrupt):
            await undone(change, two.id if change is versions.roll_back else one.id)
        assert await pointed(objects, scope) == 2
        assert await pointed(objects, scope, CHALLENGER) is None
    assert (await state(db, scope))[2] == ("champion", CHAMPION)


async def test_a_pointer_that_was_lost_is_written_by_promoting_again(
    db: Database, objects: FakeObjects, tenant: UUID
) -> None:
    scope = Scope.of_tenant(tenant)
    [row] = await made(db, objects, scope, 1)
    await objects.delete(pointer_key("forecast", scope, CHAMPION))
    async with db.tenant(tenant) as tx:
        await versions.promote(tx, objects, row.id)
    assert await pointed(objects, scope) == 1


async def test_a_bundle_that_is_not_the_registered_one_is_never_published(
    db: Database, objects: FakeObjects, tenant: UUID
) -> None:
    scope = Scope.of_tenant(tenant)
    async with db.tenant(tenant) as tx:
        row = await registered(tx, objects, scope, 1)
        await objects.put(row.object_key, b"another")
        with pytest.raises(BadAnswer):
            await versions.promote(tx, objects, row.id, force=True)
        await objects.delete(row.object_key)
        with pytest.raises(BadAnswer):
            await versions.promote(tx, objects, row.id, force=True)
    assert await pointed(objects, scope) is None


# ── challengers ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_challenger_stands_beside_the_champion(db: Database, objects: FakeObjects, tenant: UUID) -> None:
    scope = Scope.of_tenant(tenant)
    one, two, three = await made(db, objects, scope, 3)
    async with db.tenant(tenant) as tx:
        await versions.challenge(tx, objects, one.id)
        await versions.challenge(tx, objects, two.id, share=0.25)
        with pytest.raises(Conflict):
            await versions.challenge(tx, objects, three.id)
    raw = await objects.get(pointer_key("forecast", scope, CHALLENGER))
    assert (Pointer.from_json(raw).version, Pointer.from_json(raw).share) == (2, 0.25)
    assert (await state(db, scope))[1] == ("retired", None)
    async with db.tenant(tenant) as tx:
        await versions.promote(tx, objects, two.id)
    assert await pointed(objects, scope, CHALLENGER) is None
    assert await pointed(objects, scope) == 2
    async with db.tenant(tenant) as tx:
        await versions.challenge(tx, objects, one.id)
        for _ in range(2):
            await versions.stand_down(tx, objects, one.id)
    assert await pointed(objects, scope, CHALLENGER) is None


# ── whose they are ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_tenant_sees_its_own_and_those_for_all_and_changes_its_own(db: Database, objects: FakeObjects) -> None:
    a, b = await new_tenant(db, "a"), await new_tenant(db, "b")
    [of_a], [of_b] = [await made(db, objects, Scope.of_tenant(i), 1) for i in (a, b)]
    [for_all] = await made(db, objects, EVERYBODY, 1)
    [of_segment] = await made(db, objects, Scope.of_segment("smb"), 1)
    async with db.tenant(a) as tx:
        seen = await repository.versions(tx, ALL)
        assert {row.id for row in seen} == {of_a.id, for_all.id, of_segment.id}
        assert await repository.changes(tx, of_b.id) == []
        assert len(await repository.changes(tx, for_all.id)) == 2
        for change in (versions.promote, versions.roll_back, versions.challenge, versions.stand_down):
            with pytest.raises(NotFound):
                await change(tx, objects, of_b.id)
            with pytest.raises(Forbidden):
                await change(tx, objects, for_all.id)


async def test_the_database_itself_refuses_a_tenant_who_writes_for_all(db: Database, objects: FakeObjects) -> None:
    a = await new_tenant(db, "a")
    [for_all] = await made(db, objects, EVERYBODY, 1)
    with pytest.raises(Exception, match="row-level security"):
        async with db.tenant(a) as tx:
            await registered(tx, objects, EVERYBODY, 2)
    with pytest.raises(Exception, match=r"UPDATE statement on table .* expected to update 1 row"):
        async with db.tenant(a) as tx:
            (await repository.version(tx, for_all.id)).status = "retired"
    async with db.system() as tx:
        assert (await repository.version(tx, for_all.id)).status == "champion"


async def test_who_answers_is_the_own_champion_else_that_of_all(
    db: Database, objects: FakeObjects, tenant: UUID
) -> None:
    scope = Scope.of_tenant(tenant)
    async with db.tenant(tenant) as tx:
        assert await versions.answering(tx, "forecast", scope) is None
    async with db.system() as tx:
        now = tx.clock.now()
        general = await registered(tx, objects, EVERYBODY, 1, PASSED, learnt_until=now)
    async with db.tenant(tenant) as tx:
        for learnt_by, expected in ((None, general.id), (now, general.id), (now.replace(year=2020), None)):
            found = await versions.answering(tx, "forecast", scope, learnt_by=learnt_by)
            assert (found.id if found else None) == expected
        own = await registered(tx, objects, scope, 1, PASSED)
        found = await versions.answering(tx, "forecast", scope)
        assert found is not None
        assert found.id == own.id


def test_scopes_read_back_and_strange_ones_are_refused() -> None:
    for scope in (EVERYBODY, Scope.of_segment("mid_market"), Scope.of_tenant(new_id())):
        assert Scope.parse(scope.name) == scope
    for strange in ("", "globally", "segment-", "segment-../x", "SMB"):
        with pytest.raises(BadInput):
            Scope.parse(strange)
    for broken in (b"", b"{}", b"[1]", b'{"version": "x", "key": "k", "sha256": "s"}'):
        with pytest.raises(BadAnswer):
            Pointer.from_json(broken)
