"""The feature store over HTTP: definitions, writing with every refusal, reading, history, freshness, projection."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.datascience.features.definitions import ALL, DEAL
from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from tests.conftest import NOW
from tests.core.datascience.features.pipeline import STEP, Pipeline
from tests.support import Api, Client, member, new_deal

URL = "/v1/insights/features"


@pytest.fixture
async def machine(api: Api, ana: Client) -> Client:
    return await member(api, ana, "SYSTEM")


def row(pipeline: Pipeline, **changed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=1)).isoformat()
    return {"set": "deal", "entity_id": pipeline.deal_id, "at": at, "values": {"meetings": 3}, **changed}


async def test_definitions_are_told_in_both_languages(ana: Client) -> None:
    told = (await ana.get(URL)).json()
    assert [one["name"] for one in told] == [one.name for one in ALL]
    deal = told[0]
    assert [one["name"] for one in deal["features"]] == list(DEAL.names)
    assert deal["features"][7]["description"] == {"pt": "contatos em 14 dias", "en": "contacts in 14 days"}
    assert deal["features"][7]["window_days"] == 14
    assert deal["sources"] == ["DEAL_CREATED", "DEAL_CHANGED", "INSIGHTS_READY"]
    assert "never a person's emotion" in told[-1]["only_for"]


async def test_a_machine_writes_and_sending_it_again_changes_nothing(pipeline: Pipeline, machine: Client) -> None:
    cause = str(new_id())
    body = {"rows": [row(pipeline, cause=cause)]}
    first = await machine.post(URL, json=body)
    assert (first.status_code, first.json()) == (201, {"given": 1, "written": 1})
    assert (await machine.post(URL, json=body)).json() == {"given": 1, "written": 0}
    [stored] = (await pipeline.client.get(f"{URL}/{pipeline.deal_id}")).json()["sets"]
    assert stored["values"]["meetings"] == 3.0
    assert stored["values"]["calls"] is None, "what was left out is not known"
    history = (await pipeline.client.get(f"{URL}/{pipeline.deal_id}/history", params={"cause": cause})).json()["items"]
    assert [(one["cause_type"], one["cause"], one["known_at"]) for one in history] == [
        ("API", cause, NOW.isoformat().replace("+00:00", "Z")),
    ]  # fmt: skip


async def test_a_correction_counts_and_what_was_stays_in_the_history(pipeline: Pipeline, machine: Client) -> None:
    for meetings in (3, 4):
        pipeline.clock.advance(STEP / 5)
        answer = await machine.post(URL, json={"rows": [row(pipeline, values={"meetings": meetings})]})
        assert answer.json()["written"] == 1
    [stored] = (await machine.get(f"{URL}/{pipeline.deal_id}")).json()["sets"]
    assert stored["values"]["meetings"] == 4.0
    history = (await machine.get(f"{URL}/{pipeline.deal_id}/history")).json()["items"]
    assert [one["values"]["meetings"] for one in history] == [4.0, 3.0]


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"values": {"meetings": "three"}}, 422, "body.rows.0.values.meetings"),
        ({"values": {"unknown": 1}}, 422, "body.rows.0.values.unknown"),
        ({"values": {"inbound_share": 2}}, 422, "body.rows.0.values.inbound_share"),
        ({"at": (NOW + timedelta(days=1)).isoformat()}, 422, "body.rows.0.at"),
        ({"at": "2026-11-01T00:00:00"}, 422, "body.rows.0.at"),
        ({"entity_id": str(new_id())}, 422, "body.rows.0.entity_id"),
        ({"extra": 1}, 422, "body.rows.0.extra"),
        ({"set": "nothing"}, 404, None),
    ],
)
async def test_what_does_not_fit_is_refused_whole(
    pipeline: Pipeline, machine: Client, changed: dict[str, Any], status: int, field: str | None
) -> None:
    good = row(pipeline, values={"calls": 1})
    answer = await machine.post(URL, json={"rows": [row(pipeline, **changed), good]})
    assert answer.status_code == status, answer.text
    if field is not None:
        assert field in {problem["field"] for problem in answer.json()["errors"]}
    assert await pipeline.rows() == []


async def test_only_a_machine_writes(pipeline: Pipeline, ana: Client) -> None:
    assert (await ana.post(URL, json={"rows": [row(pipeline)]})).status_code == 403


async def test_a_seller_reads_features_of_his_own_alone(api: Api, ana: Client, pipeline: Pipeline) -> None:
    await pipeline.call()
    rita, raul = await member(api, ana, "REP", team="north"), await member(api, ana, "REP", team="north")
    leader, manager = await member(api, ana, "LEADER", team="north"), await member(api, ana, "MANAGER")
    mine = await new_deal(rita)
    await pipeline.settle()
    seen = {
        "rita": (rita, 200, 404), "raul": (raul, 404, 404), "leader": (leader, 200, 404),
        "manager": (manager, 200, 200),
    }  # fmt: skip
    rita_id = (await rita.get("/v1/me")).json()["id"]
    of_rita = (mine["id"], mine["account_id"], rita_id)
    of_ana = (pipeline.deal_id, pipeline.account_id, pipeline.contact_id, *pipeline.calls)
    for name, (client, hers, anas) in seen.items():
        for entity, wanted in [*((one, hers) for one in of_rita), *((one, anas) for one in of_ana)]:
            for path in ("", "/history"):
                assert (await client.get(f"{URL}/{entity}{path}")).status_code == wanted, (name, entity, path)
    deals = {one["set"]: one["entities"] for one in (await rita.get(f"{URL}/freshness")).json()}
    assert (deals["deal"], deals["call_text"], deals["seller"]) == (1, 0, 1)


async def test_history_by_set_and_period(pipeline: Pipeline, clock: VirtualClock) -> None:
    for stage in ("discovery", "proposal"):
        clock.advance(STEP)
        await pipeline.client.patch(f"/v1/deals/{pipeline.deal_id}", json={"stage": stage})
    await pipeline.settle()

    async def stages(**query: str) -> list[float]:
        answer = await pipeline.client.get(f"{URL}/{pipeline.deal_id}/history", params={"set": "deal", **query})
        assert answer.status_code == 200, answer.text
        return sorted(one["values"]["stage"] for one in answer.json()["items"])

    assert await stages() == [0.0, 2.0, 3.0]
    assert await stages(since=(NOW + STEP).isoformat()) == [2.0, 3.0]
    assert await stages(until=(NOW + STEP).isoformat()) == [0.0]
    first = (await pipeline.client.get(f"{URL}/{pipeline.deal_id}/history", params={"set": "deal", "limit": 2})).json()
    rest = await pipeline.client.get(
        f"{URL}/{pipeline.deal_id}/history", params={"set": "deal", "cursor": first["next_cursor"]}
    )
    assert len({one["id"] for one in [*first["items"], *rest.json()["items"]]}) == 3


async def test_freshness_says_what_is_old_and_since_when(pipeline: Pipeline, machine: Client) -> None:
    old = (NOW - timedelta(days=8)).isoformat()
    await machine.post(URL, json={"rows": [row(pipeline, at=old)]})
    [told] = (await pipeline.client.get(f"{URL}/freshness", params={"set": "deal"})).json()
    assert (told["entities"], told["stale"], told["newest_event_at"][:10]) == (1, 1, "2026-11-16")
    features = {one["name"]: one for one in told["features"]}
    assert (features["meetings"]["entities"], features["calls"]["entities"]) == (1, 0)
    [stored] = (await pipeline.client.get(f"{URL}/{pipeline.deal_id}")).json()["sets"]
    assert stored["stale"] is True
    await pipeline.settle()
    [told] = (await pipeline.client.get(f"{URL}/freshness", params={"set": "deal"})).json()
    assert (told["entities"], told["stale"]) == (1, 0)


async def test_deals_are_laid_out(pipeline: Pipeline, ana: Client) -> None:
    deals = [(await new_deal(ana, value_cents=10**k, segment="smb" if k % 2 else None))["id"] for k in range(2, 7)]
    few = await ana.get("/v1/insights/projection")
    assert (few.status_code, "needs 3" in few.text) == (409, True)
    await pipeline.settle()
    told = (await ana.get("/v1/insights/projection")).json()
    assert {point["entity_id"] for point in told["points"]} == {pipeline.deal_id, *deals}
    assert told["axes"][0]["explained"] >= told["axes"][1]["explained"]
    body = {"set": "deal", "features": ["log_value"], "entity_ids": deals}
    told = (await ana.post("/v1/insights/projection", json=body)).json()
    assert told["axes"][0] == {"explained": 1.0, "features": {"log_value": 1.0}}
    by_x = sorted(told["points"], key=lambda point: point["x"])
    assert [point["entity_id"] for point in by_x] == deals, "the larger the deal, the further to the right"
    for wrong, status in (({"features": ["nothing"]}, 422), ({"set": "account"}, 422), ({"set": "x"}, 404)):
        assert (await ana.post("/v1/insights/projection", json={**body, **wrong})).status_code == status


async def test_calls_are_laid_out_by_how_they_were_talked(pipeline: Pipeline) -> None:
    for hz in (660.0, 770.0, 880.0):
        await pipeline.call(hz)
    for name in ("call_behaviour", "call_text", "call_voice"):
        told = await pipeline.client.get("/v1/insights/projection", params={"set": name})
        assert {point["entity_id"] for point in told.json()["points"]} == set(pipeline.calls), told.text
