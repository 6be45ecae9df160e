"""Groups over HTTP and in the feature store: made from a company's own deals, seen by it alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cluster.customers import assign, register
from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.row import Key
from core.datascience.groups import repository
from core.datascience.groups.profile import Known
from core.datascience.models.model import ModelVersion
from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from tests.conftest import NOW
from tests.core.datascience.groups.made import furnish
from tests.fakes.runs import FakeRuns
from tests.support import Api, Client, member, sign_up
from training.customers import train
from training.recipes import CustomersRecipe

RECIPE = CustomersRecipe(most=2, method="kmeans", least_accounts=20)
URL = "/v1/insights/groups"


async def tenant_of(client: Client) -> UUID:
    return UUID((await client.get("/v1/me")).json()["tenant_id"])


async def grouped(api: Api, tenant_id: UUID) -> tuple[ModelVersion, list[Known]]:
    services = api.services
    async with services.db.tenant(tenant_id) as tx:
        accounts = await repository.known(tx, NOW)
    report = train(accounts, RECIPE)
    row = await register(services.db, services.objects, FakeRuns(), tenant_id, report, NOW)
    assert await assign(services.db, services.features, row, report, accounts, NOW) == len(accounts)
    assert await assign(services.db, services.features, row, report, accounts, NOW) == 0, "told twice is told once"
    return row, accounts


async def test_a_company_sees_its_groups_and_nobody_else_does(api: Api, ana: Client) -> None:
    for url in (URL, f"{URL}/accounts/{new_id()}"):
        assert (await ana.get(url)).status_code == 404
    tenant_id = await tenant_of(ana)
    ids = await furnish(api.services.db, tenant_id)
    row, accounts = await grouped(api, tenant_id)
    assert {account.account_id for account in accounts} == set(ids)
    large = next(account for account in accounts if account.account_id == ids[0])
    assert (large.won, large.closed, large.values["cycle_days"], large.values["touches_per_deal"]) == (2, 2, 180.0, 8.0)
    assert (large.values["win_share"], large.values["mood"], large.values["inbound_share"]) == (0.75, 0.25, 0.0)

    told = (await ana.get(URL)).json()
    assert (told["model_id"], told["accounts"], len(told["groups"])) == (str(row.id), 24, 2)
    by_rate = sorted(told["groups"], key=lambda group: group["win_rate"])
    assert [(group["accounts"], group["closed_deals"], group["win_rate"]) for group in by_rate] == [
        (12, 24, 0.5), (12, 24, 1.0)
    ]  # fmt: skip
    assert "grandes" in by_rate[1]["description"]["pt"]
    assert "large deals" in by_rate[1]["description"]["en"]
    first = by_rate[1]["profile"][0]
    assert abs(first["apart"]) == max(abs(trait["apart"]) for trait in by_rate[1]["profile"])
    assert first["description"]["pt"]

    mine = (await ana.get(f"{URL}/accounts/{ids[0]}")).json()
    assert mine["group"] == by_rate[1]
    assert (mine["stale"], 0 < mine["certainty"] <= 1) == (False, True)

    bea = Client(api, (await sign_up(api, "other", email="bea@other.example"))["access_token"])
    for url in (URL, f"{URL}/accounts/{ids[0]}"):
        assert (await bea.get(url)).status_code == 404
    assert (await (await member(api, ana, "DEVOPS")).get(URL)).status_code == 403


async def test_the_store_keeps_the_group_with_what_it_follows_from(api: Api, ana: Client) -> None:
    tenant_id = await tenant_of(ana)
    ids = await furnish(api.services.db, tenant_id)
    row, _ = await grouped(api, tenant_id)
    [stored] = await api.services.features.read(tenant_id, [Key(ACCOUNT_GROUP, ids[0])])
    assert stored is not None
    assert (stored.values["model"], stored.values["deals"], stored.values["deals_open"]) == ("customers@1", 2.0, 0.0)
    told = (await ana.get(f"/v1/insights/features/{ids[0]}/history", params={"cause": str(row.id)})).json()["items"]
    assert [(one["cause_type"], one["feature_set"]) for one in told] == [("MODEL_VERSION", "account_group")]
    assert row.status == "champion"
    shown = (await ana.get(f"/v1/insights/models/{row.id}", params={"language": "pt"})).json()
    assert shown["verdict"][0] == "Pode ser promovido."


async def test_an_old_answer_says_so(api: Api, ana: Client, clock: VirtualClock) -> None:
    tenant_id = await tenant_of(ana)
    ids = await furnish(api.services.db, tenant_id)
    await grouped(api, tenant_id)
    clock.advance(timedelta(days=91))
    again = {"email": "ana@example.com", "password": Api.PASSWORD, "tenant": "acme"}
    later = Client(api, (await api.post("/v1/login", json=again)).json()["access_token"])
    assert (await later.get(f"{URL}/accounts/{ids[0]}")).json()["stale"] is True
