"""Versions over HTTP: who may look, who may change, and what each learns."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.datascience.models import versions
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.kit.ids import new_id
from tests.core.datascience.models.made import EVERYBODY, PASSED, REFUSED, evidence, registered
from tests.support import Api, Client, member, sign_up

MODELS = "/v1/insights/models"


async def tenant_of(client: Client) -> UUID:
    return UUID((await client.get("/v1/me")).json()["tenant_id"])


async def made(api: Api, client: Client, version: int, verdict: Any = PASSED, **changed: Any) -> ModelVersion:
    scope = Scope.of_tenant(await tenant_of(client))
    async with versions.transaction(api.services.db, scope) as tx:
        return await registered(tx, api.services.objects, scope, version, verdict, **changed)


async def for_all(api: Api, version: int = 1, **changed: Any) -> ModelVersion:
    async with api.services.db.system() as tx:
        return await registered(tx, api.services.objects, EVERYBODY, version, PASSED, **changed)


@pytest.fixture
async def science(api: Api, ana: Client) -> Client:
    return await member(api, ana, "DATA_SCIENTIST")


async def test_who_may_do_what(api: Api, ana: Client) -> None:
    row = await made(api, ana, 1)
    pair = {"a": str(row.id), "b": str(row.id)}
    for role, looks, compares, changes in (
        ("DEVOPS", 200, 403, 403), ("DATA_SCIENTIST", 200, 200, 200), ("SUPER_ADMIN", 200, 200, 200),
        ("MANAGER", 403, 403, 403), ("SYSTEM", 403, 403, 403),
    ):  # fmt: skip
        client = await member(api, ana, role)
        assert (await client.get(MODELS)).status_code == looks, role
        assert (await client.get(f"{MODELS}/{row.id}/importance")).status_code == looks, role
        assert (await client.post("/v1/insights/compare-models", json=pair)).status_code == compares, role
        assert (await client.post(f"{MODELS}/{row.id}/promote", json={})).status_code == changes, role
        assert (await client.post(f"{MODELS}/{row.id}/challenge", json={})).status_code in (409, 403), role


async def test_promote_and_roll_back_in_one_call_each(api: Api, science: Client) -> None:
    one, two = await made(api, science, 1), await made(api, science, 2, REFUSED)
    refused = await science.post(f"{MODELS}/{two.id}/promote", json={})
    assert refused.status_code == 409
    assert "force" in refused.json()["detail"]
    promoted = await science.post(f"{MODELS}/{two.id}/promote", json={"force": True})
    assert promoted.json()["alias"] == "champion"
    for _ in range(2):
        back = await science.post(f"{MODELS}/{two.id}/rollback")
        assert back.json()["champion"]["id"] == str(one.id)
    assert (await science.post(f"{MODELS}/{one.id}/rollback")).json() == {"champion": None}
    statuses = {item["version"]: item["status"] for item in (await science.get(MODELS)).json()["items"]}
    assert statuses == {1: "retired", 2: "retired"}


async def test_the_audit_trail_names_who_promoted(api: Api, ana: Client, science: Client) -> None:
    row = await made(api, science, 1, REFUSED)
    await science.post(f"{MODELS}/{row.id}/promote", json={"force": True})
    await science.post(f"{MODELS}/{row.id}/rollback")
    me = (await science.get("/v1/me")).json()["id"]
    found = (await ana.get("/v1/audit", params={"subject": f"model:{row.id}"})).json()["items"]
    by_me = [(entry["action"], entry["after"]["forced"]) for entry in found if entry["actor_id"] == me]
    assert by_me == [("model.rolled_back", False), ("model.promoted", True)]


async def test_one_version_in_both_languages(api: Api, science: Client) -> None:
    await made(api, science, 1)
    row = await made(api, science, 2, REFUSED, importance={"days_open": 0.3, "stage": 0.9})
    told = {}
    for language in ("pt", "en"):
        answer = await science.get(f"{MODELS}/{row.id}", params={"language": language})
        told[language] = answer.json()
        assert answer.status_code == 200
    assert told["pt"]["verdict"][0] == "Não pode ser promovido."
    assert told["en"]["verdict"][0] == "It may not be promoted."
    assert told["en"]["passed"] is False
    assert told["en"]["inputs"] == [{"name": "days_open", "low": 0.0, "high": 90.0, "may_be_missing": False}]
    assert [change["action"] for change in told["en"]["changes"]] == ["registered", "refused"]
    important = (await science.get(f"{MODELS}/{row.id}/importance")).json()
    assert [one["feature"] for one in important] == ["stage", "days_open"]
    assert sum(one["share"] for one in important) == pytest.approx(1)


async def test_the_model_for_all_is_seen_but_not_touched_and_hides_its_ends(api: Api, science: Client) -> None:
    row = await for_all(api)
    shown = (await science.get(f"{MODELS}/{row.id}")).json()
    assert shown["metrics"]["auc"] == 0.8
    assert shown["inputs"] == [{"name": "days_open", "low": None, "high": None, "may_be_missing": False}]
    for verb, body in (("promote", {}), ("rollback", None), ("challenge", {"share": 0.1})):
        answer = await science.post(f"{MODELS}/{row.id}/{verb}", **({"json": body} if body is not None else {}))
        assert answer.status_code == 403, verb
        assert "salesedge models" in answer.json()["detail"]


async def test_another_tenants_model_is_not_there(api: Api, science: Client) -> None:
    bea = Client(api, (await sign_up(api, "other", email="bea@other.example"))["access_token"])
    theirs, ours = await made(api, bea, 1), await made(api, science, 1)
    assert {item["id"] for item in (await science.get(MODELS)).json()["items"]} == {str(ours.id)}
    for method, path, body in (
        ("get", f"{MODELS}/{theirs.id}", None), ("post", f"{MODELS}/{theirs.id}/promote", {"force": True}),
        ("post", f"{MODELS}/{theirs.id}/rollback", None), ("delete", f"{MODELS}/{theirs.id}/challenge", None),
        ("post", "/v1/insights/compare-models", {"a": str(ours.id), "b": str(theirs.id)}),
    ):  # fmt: skip
        answer = await science.request(method, path, **({"json": body} if body is not None else {}))
        assert answer.status_code == 404, path


async def test_lists_narrow_and_page(api: Api, science: Client) -> None:
    for version in (1, 2, 3):
        await made(api, science, version, PASSED if version == 1 else None)
    await for_all(api)
    assert len((await science.get(MODELS, params={"scope": "global"})).json()["items"]) == 1
    assert len((await science.get(MODELS, params={"status": "candidate"})).json()["items"]) == 2
    assert (await science.get(MODELS, params={"context": "risk"})).json()["items"] == []
    first = (await science.get(MODELS, params={"limit": 3})).json()
    rest = (await science.get(MODELS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["version"] for item in first["items"] + rest["items"]] == [1, 3, 2, 1]


async def test_the_better_of_two_is_found_on_what_both_held_out(api: Api, science: Client) -> None:
    rng = np.random.default_rng(1)
    whole = evidence(rows=800)
    noise = np.clip(whole.said + rng.normal(0, 0.3, 800), 0.02, 0.98)
    a = await made(api, science, 1, evidence=dataclasses.replace(whole, said=noise))
    later = dataclasses.replace(whole, row=whole.row + 200, deal=whole.deal + 100)
    keep = slice(200, 800)
    met = {name: getattr(whole, name)[keep] for name in ("row", "deal", "won", "said")}
    b = await made(api, science, 2, evidence=type(whole)(**met))
    answer = await science.post("/v1/insights/compare-models", json={"a": str(a.id), "b": str(b.id)})
    found = answer.json()
    assert (found["rows"], found["deals"], found["better"]) == (600, 300, "b")
    assert [c["measure"] for c in found["comparisons"]] == ["auc", "brier", "log_loss"]
    assert all(c["better"] < 0 < c["p"] and c["low"] < c["better"] < c["high"] for c in found["comparisons"])
    assert found["quality_b"]["auc"] > found["quality_a"]["auc"]
    back = (await science.post("/v1/insights/compare-models", json={"a": str(b.id), "b": str(a.id)})).json()
    assert back["better"] == "a"
    assert "é melhor que" in back["verdict"]
    same = (await science.post("/v1/insights/compare-models", json={"a": str(b.id), "b": str(b.id)})).json()
    assert same["better"] is None
    apart = await made(api, science, 3, evidence=dataclasses.replace(later, row=later.row + 10_000))
    refused = await science.post("/v1/insights/compare-models", json={"a": str(a.id), "b": str(apart.id)})
    assert refused.status_code == 409
    other = await made(api, science, 4, context="risk")
    refused = await science.post("/v1/insights/compare-models", json={"a": str(a.id), "b": str(other.id)})
    assert refused.status_code == 409


async def test_a_challenge_begins_and_ends(api: Api, science: Client) -> None:
    one, two = await made(api, science, 1), await made(api, science, 2)
    assert (await science.post(f"{MODELS}/{one.id}/challenge", json={"share": 0.6})).status_code == 422
    begun = (await science.post(f"{MODELS}/{one.id}/challenge", json={"share": 0.2})).json()
    assert (begun["alias"], begun["share"]) == ("challenger", 0.2)
    assert (await science.request("delete", f"{MODELS}/{one.id}/challenge")).status_code == 204
    assert (await science.get(f"{MODELS}/{one.id}")).json()["alias"] is None
    assert (await science.get(f"{MODELS}/{two.id}")).json()["alias"] == "champion"


async def test_what_nobody_has_is_not_found(science: Client) -> None:
    for path in (f"{MODELS}/{new_id()}", f"{MODELS}/{new_id()}/importance"):
        assert (await science.get(path)).status_code == 404
