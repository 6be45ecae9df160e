"""`salesedge train customers` on embedded PostgreSQL and a real MLflow: each company's customers by themselves."""

from __future__ import annotations

from uuid import UUID

import pytest

from cluster.customers import train_customers
from cluster.training import registry
from core import bootstrap
from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.row import Key
from core.datascience.models import repository
from core.datascience.models.pointers import CHAMPION, Scope
from core.settings import Settings
from tests.core.datascience.groups.made import furnish
from tests.core.datascience.models.made import new_tenant
from training.customers import NotEnoughAccounts


async def house(settings: Settings) -> tuple[UUID, UUID, list[UUID]]:
    """A company with 48 accounts of two kinds, and one with none."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    full, empty = await new_tenant(db, "full"), await new_tenant(db, "empty")
    ids = [*await furnish(db, full), *await furnish(db, full)]
    await db.close()
    return full, empty, ids


async def test_each_company_by_itself(settings: Settings) -> None:
    full, empty, ids = await house(settings)
    said: list[str] = []
    [made] = await train_customers(settings, None, say=said.append)
    assert (made.tenant_id, made.written, made.row.status) == (full, len(ids), "champion")
    assert any(line.startswith(f"{empty}: Groups take at least") for line in said)
    assert registry(settings).aliases(made.row.name) == {"champion": made.row.version}
    with pytest.raises(NotEnoughAccounts):
        await train_customers(settings, empty)

    db = bootstrap.database(settings, bootstrap.database_url(settings))
    store = bootstrap.features(settings, db)
    held = await store.read(full, [Key(ACCOUNT_GROUP, id_) for id_ in ids])
    groups = [one.values["group"] for one in held if one]
    assert {frozenset(groups[::2]), frozenset(groups[1::2])} == {frozenset("1"), frozenset("2")}
    async with db.tenant(empty) as tx:
        assert await repository.bearer(tx, "customers", Scope.of_tenant(full), CHAMPION) is None
    await db.close()
