"""What an ML engineer types, on embedded PostgreSQL and a real MLflow."""

from __future__ import annotations

import dataclasses

import pytest

from cluster import drift, models
from cluster.training import registry
from core import bootstrap
from core.datascience.models import versions
from core.datascience.models.admit import admit
from core.datascience.models.gate import Cost
from core.datascience.models.pointers import CHAMPION, Pointer, Scope, pointer_key
from core.kit.clock import SystemClock, VirtualClock
from core.kit.db import Database
from core.kit.errors import BadInput, Conflict, NotFound
from core.settings import Settings
from tests.core.datascience.drift.made import bundle
from tests.core.datascience.models.made import EVERYBODY, evidence, new_tenant, registered, trained

NAME = "forecast-global"


@pytest.fixture
async def stocked(settings: Settings) -> Settings:
    """Two versions: the first champion, the second refused for knowing less."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    objects, runs = bootstrap.object_store(settings), registry(settings)
    whole = evidence(rows=600)
    for said in (whole.said, 0.5 * whole.said + 0.25):
        given = trained(bundle=bundle(), evidence=dataclasses.replace(whole, said=said), metrics={"auc": 0.8})
        await admit(
            db, objects, runs, EVERYBODY, given, base_rate=0.5, score=lambda _: whole.said, cost=Cost(1.0, 1.0)
        )  # fmt: skip
    await db.close()
    return settings


async def pointed(settings: Settings) -> int:
    raw = await bootstrap.object_store(settings).get(pointer_key("forecast", EVERYBODY, CHAMPION))
    return Pointer.from_json(raw).version


async def test_list_show_compare_promote_roll_back(stocked: Settings) -> None:
    runs = registry(stocked)
    first = runs.aliases(NAME)["champion"]
    second = first + 1
    lines = await models.listed(stocked)
    assert [line[0] for line in lines] == [" ", "*"]
    assert "refused" in lines[0]
    told = await models.shown(stocked, f"{NAME}@{second}", "pt")
    assert "Não pode ser promovido." in told
    compared = await models.compared(stocked, f"{NAME}@{first}", f"{NAME}@{second}")
    assert compared[-1].startswith(f"{NAME}@{first} is better than {NAME}@{second}")
    with pytest.raises(Conflict):
        await models.promoted(stocked, f"{NAME}@{second}")
    for _ in range(2):
        await models.promoted(stocked, f"{NAME}@{second}", force=True)
        assert (await pointed(stocked), runs.aliases(NAME)) == (second, {"champion": second})
    for _ in range(2):
        assert f"{NAME}@{first}" in await models.rolled_back(stocked, f"{NAME}@{second}")
        assert (await pointed(stocked), runs.aliases(NAME)) == (first, {"champion": first})
    await models.challenged(stocked, f"{NAME}@{second}", 0.0)
    assert runs.aliases(NAME) == {"champion": first, "challenger": second}
    await models.challenged(stocked, f"{NAME}@{second}", None)
    assert runs.aliases(NAME) == {"champion": first}


async def test_sync_mends_what_was_lost(stocked: Settings) -> None:
    runs = registry(stocked)
    champion = runs.aliases(NAME)
    objects = bootstrap.object_store(stocked)
    await objects.delete(pointer_key("forecast", EVERYBODY, CHAMPION))
    runs.mirror(NAME, {})
    assert await models.synced(stocked) == 1
    assert runs.aliases(NAME) == champion == {"champion": await pointed(stocked)}


async def test_sync_retires_what_killed_jobs_left(stocked: Settings) -> None:
    bootstrap.load_models()
    ages = {"old": 1.5 * versions.LEFT_AFTER, "young": 0.5 * versions.LEFT_AFTER}
    tenant_id = None
    for number, age in enumerate(ages.values()):
        clock = VirtualClock(SystemClock().now() - age)
        db = Database(bootstrap.database_url(stocked), clock=clock)
        tenant_id = tenant_id or await new_tenant(db)
        scope = Scope.of_tenant(tenant_id)
        async with db.tenant(tenant_id) as tx:
            await registered(tx, bootstrap.object_store(stocked), scope, number + 1)
        await db.close()
    await models.synced(stocked)
    lines = await models.listed(stocked, scope=Scope.of_tenant(tenant_id).name)
    assert [line.split()[1] for line in lines] == ["candidate", "retired"]


async def test_names_that_nobody_has(stocked: Settings) -> None:
    for named, error in ((f"{NAME}@999", NotFound), ("nonsense", BadInput), ("x@y", BadInput)):
        with pytest.raises(error):
            await models.shown(stocked, named)


async def test_no_traffic_is_no_drift(stocked: Settings) -> None:
    assert await drift.checked(stocked) == ["0 reports"]
