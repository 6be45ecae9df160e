"""Drift in a tenant: seen, told, proposed, decided or started; and never somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.datascience.drift.check import check_all
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.kit.ids import new_id
from tests.core.datascience.drift.made import Case, bundle, cases, predicted
from tests.core.datascience.models.made import EVERYBODY, PASSED, registered
from tests.core.test_isolation import owner_connection
from tests.support import Api, Client, member, sign_up

DRIFT = "/v1/insights/drift"
METRICS = {"auc": 0.72, "brier": 0.21, "ece": 0.02}


def truth(case: Case) -> float:
    return case.truth


class Side:
    """A tenant with a champion."""

    def __init__(self, api: Api, client: Client, tenant_id: UUID, row: ModelVersion) -> None:
        self.api, self.client, self.tenant_id, self.row = api, client, tenant_id, row

    async def traffic(self, say: Callable[[Case], float] = truth, count: int = 250, **how: Any) -> None:
        async with self.api.services.db.tenant(self.tenant_id) as tx:
            await predicted(tx, self.row, await cases(tx, count, **how), say)

    async def check(self) -> dict[str, Any]:
        answer = await self.client.post(f"{DRIFT}/check", params={"language": "en"})
        assert answer.status_code == 200, answer.text
        [report] = answer.json()
        found: dict[str, Any] = report
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        with owner_connection(self.api) as connection:
            query = "SELECT data FROM events WHERE tenant_id = %s AND type = %s ORDER BY seq"
            return [row[0] for row in connection.execute(query, (self.tenant_id, kind)).fetchall()]


async def made(api: Api, client: Client) -> Side:
    tenant_id = UUID((await client.get("/v1/me")).json()["tenant_id"])
    async with api.services.db.tenant(tenant_id) as tx:
        row = await registered(
            tx, api.services.objects, Scope.of_tenant(tenant_id), 1, PASSED, bundle=bundle(), metrics=METRICS
        )
    return Side(api, client, tenant_id, row)


@pytest.fixture
async def side(api: Api, ana: Client) -> Side:
    return await made(api, ana)


async def test_calm_traffic_finds_nothing(side: Side) -> None:
    await side.traffic()
    report = await side.check()
    assert report["findings"] == []
    assert set(report["inputs"]) == {"days_open", "meetings"}
    assert report["deals"] == 250
    assert (report["quality"]["rows"], report["quality"]["deals"]) == (500, 250)
    assert report["quality"]["metrics"]["auc"] > 0.6
    assert side.events("DRIFT_FOUND") == []
    drift = (await side.client.get(DRIFT)).json()
    assert [one["id"] for one in drift["reports"]] == [report["id"]]
    assert drift["proposals"] == []


async def test_a_shifted_input_is_told_and_a_new_model_proposed_once(side: Side) -> None:
    await side.traffic(closed=False, moved=lambda row: {**row, "days_open": (row["days_open"] or 0) + 60})
    report = await side.check()
    assert [(f["kind"], f["feature"]) for f in report["findings"]] == [("input", "days_open")]
    assert "days_open has shifted" in report["findings"][0]["text"]
    assert report["quality"] is None
    await side.check()
    [fact] = side.events("DRIFT_FOUND")
    assert (fact["action"], fact["kinds"], fact["automatic"]) == ("retrain", ["input"], False)
    [proposal] = (await side.client.get(f"{DRIFT}/proposals", params={"language": "pt"})).json()["items"]
    assert (proposal["status"], proposal["text"]) == ("open", "Treinar de novo com os negócios recentes.")
    assert side.events("TRAINING_REQUESTED") == []
    for _ in range(2):
        accepted = await side.client.post(f"{DRIFT}/proposals/{proposal['id']}/accept")
        assert accepted.json()["status"] == "accepted"
    assert (await side.client.post(f"{DRIFT}/proposals/{proposal['id']}/dismiss")).status_code == 409
    [asked] = side.events("TRAINING_REQUESTED")
    assert (asked["context"], asked["action"], asked["why"]) == ("forecast", "retrain", "drift")
    history = (await side.client.get(f"/v1/insights/models/{side.row.id}/drift")).json()["items"]
    assert len(history) == 2


async def test_odds_that_do_not_come_true_are_recalibrated(side: Side) -> None:
    await side.traffic(lambda case: case.truth**0.4, count=400)
    report = await side.check()
    assert "ece" in {f["kind"] for f in report["findings"]}
    [proposal] = (await side.client.get(DRIFT)).json()["proposals"]
    wanted = "recalibrate" if {f["kind"] for f in report["findings"]} <= {"ece", "brier"} else "retrain"
    assert proposal["action"] == wanted
    dismissed = await side.client.post(f"{DRIFT}/proposals/{proposal['id']}/dismiss")
    assert dismissed.json()["status"] == "dismissed"
    assert side.events("TRAINING_REQUESTED") == []


async def test_order_that_was_lost_takes_a_new_model_which_may_start_by_itself(side: Side) -> None:
    changed = await side.client.patch(f"{DRIFT}/settings", json={"automatic": True})
    assert changed.json()["automatic"] is True
    rng = np.random.default_rng(1)
    await side.traffic(lambda _: float(rng.beta(1.4, 2.0)), count=400)
    report = await side.check()
    assert "auc" in {f["kind"] for f in report["findings"]}
    [asked] = side.events("TRAINING_REQUESTED")
    assert asked["action"] == "retrain"
    [proposal] = (await side.client.get(f"{DRIFT}/proposals")).json()["items"]
    assert proposal["status"] == "automatic"


async def test_limits_are_the_tenants_own(side: Side) -> None:
    moved = {"closed": False, "moved": lambda row: {**row, "days_open": (row["days_open"] or 0) + 60}}
    await side.traffic(**moved)
    assert (await side.client.get(f"{DRIFT}/settings")).json()["psi"] == 0.25
    assert (await side.client.patch(f"{DRIFT}/settings", json={"psi": 9.0, "ks": 1.0})).status_code == 200
    assert (await side.check())["findings"] == []
    assert (await side.client.patch(f"{DRIFT}/settings", json={"psi": -1})).status_code == 422
    assert (await side.client.get(f"{DRIFT}/settings")).json()["psi"] == 9.0
    trail = (await side.client.get("/v1/audit", params={"action": "drift.settings_changed"})).json()["items"]
    assert trail[0]["after"] == {"psi": 9, "ks": 1}


async def test_what_is_long_past_or_of_another_version_does_not_count(side: Side) -> None:
    other = ModelVersion(scope=side.row.scope, context="forecast", version=2, algorithm="logistic")
    async with side.api.services.db.tenant(side.tenant_id) as tx:
        await predicted(tx, other, await cases(tx, 50), truth)
    answer = await side.client.post(f"{DRIFT}/check")
    assert answer.json() == []


async def test_the_model_for_all_is_judged_by_each_tenant_on_its_own_deals(api: Api, side: Side) -> None:
    async with api.services.db.system() as tx:
        general = await registered(tx, api.services.objects, EVERYBODY, 7, PASSED, bundle=bundle(), metrics=METRICS)
    bea = Client(api, (await sign_up(api, "other", email="bea@other.example"))["access_token"])
    b = UUID((await bea.get("/v1/me")).json()["tenant_id"])
    async with api.services.db.tenant(b) as tx:
        await predicted(tx, general, await cases(tx, 120, moved=lambda row: {**row, "days_open": 500.0}), truth)
    await side.traffic()
    found = await check_all(api.services.db, api.services.objects)
    assert {(tenant, report.version_id) for tenant, report in found} == {(side.tenant_id, side.row.id), (b, general.id)}
    assert [one["version"] for one in (await bea.get(DRIFT)).json()["reports"]] == [7]
    [theirs] = (await bea.get(f"{DRIFT}/proposals")).json()["items"]
    assert (await side.client.get(f"{DRIFT}/proposals")).json()["items"] == []
    assert (await side.client.post(f"{DRIFT}/proposals/{theirs['id']}/accept")).status_code == 404
    assert (await side.client.get(f"/v1/insights/models/{general.id}/drift")).json()["items"] == []


async def test_who_may_look_and_who_may_decide(api: Api, ana: Client, side: Side) -> None:
    for role, looks, decides in (("DEVOPS", 200, 403), ("DATA_SCIENTIST", 200, 200), ("MANAGER", 403, 403)):
        client = await member(api, ana, role)
        assert (await client.get(DRIFT)).status_code == looks
        assert (await client.post(f"{DRIFT}/check")).status_code == decides
        assert (await client.patch(f"{DRIFT}/settings", json={})).status_code == decides
        answer = await client.post(f"{DRIFT}/proposals/{new_id()}/accept")
        assert answer.status_code == (404 if decides == 200 else 403)


# ── scores over time ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_scores_of_a_version_week_by_week(side: Side) -> None:
    await side.traffic(count=60)
    weeks = (await side.client.get(f"/v1/insights/models/{side.row.id}/scores")).json()
    assert sum(week["answers"] for week in weeks) == 120
    assert [week["week"] for week in weeks] == sorted(week["week"] for week in weeks)
    for week in weeks:
        assert week["low"] <= week["middle"] <= week["high"]
        assert 0 <= week["came"] <= week["closed"] == week["deals"]


async def test_scores_of_a_deal_newest_first_without_the_shadows(side: Side) -> None:
    async with side.api.services.db.tenant(side.tenant_id) as tx:
        [case, other] = await cases(tx, 2, closed=False)
        await predicted(tx, side.row, [case], lambda _: 0.4, weeks=3)
        await predicted(tx, side.row, [case], lambda _: 0.9, weeks=1, role="shadow")
    found = (await side.client.get(f"/v1/insights/deals/{case.id}/scores")).json()
    assert [score["probability"] for score in found] == [0.4] * 3
    assert (await side.client.get(f"/v1/insights/deals/{other.id}/scores")).json() == []
    assert (await side.client.get(f"/v1/insights/deals/{new_id()}/scores")).status_code == 404
    since = {"since": found[0]["at"], "limit": 1}
    assert len((await side.client.get(f"/v1/insights/deals/{case.id}/scores", params=since)).json()) == 1
