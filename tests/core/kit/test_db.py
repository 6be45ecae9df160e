"""A transaction begins in its role and tenant, and a connection that was cut is not used twice."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import bootstrap
from core.kit.clock import VirtualClock
from core.kit.db import APP_ROLE, SYSTEM_ROLE, Database
from core.kit.ids import new_id
from core.settings import Settings

WHO = text("SELECT current_user, current_setting('app.tenant_id', true)")


@pytest.fixture
async def one(settings: Settings, clock: VirtualClock) -> Database:
    return Database(bootstrap.database_url(settings), clock=clock, pool_size=1)


async def test_each_transaction_is_of_its_own_tenant_and_role(one: Database) -> None:
    for _ in range(8):  # from the sixth on the statement is prepared
        tenant_id = new_id()
        async with one.tenant(tenant_id) as tx:
            assert (await tx.session.execute(WHO)).one() == (APP_ROLE, str(tenant_id))
        async with one.system() as tx:
            assert (await tx.session.execute(WHO)).one() == (SYSTEM_ROLE, "")
    await one.close()


async def test_a_cut_connection_fails_once_and_as_the_database_fails(one: Database) -> None:
    async with one.system() as tx:
        pid = (await tx.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    other = Database(one.url)
    async with other.engine.begin() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    await other.close()
    with pytest.raises(DBAPIError):
        async with one.system() as tx:
            await tx.session.execute(WHO)
    async with one.system() as tx:
        assert (await tx.session.execute(WHO)).one() == (SYSTEM_ROLE, "")
    await one.close()
