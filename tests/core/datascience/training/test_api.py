"""Trainings over HTTP: asked for, watched, taken back; and what follows each of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core.datascience.models.gate import Verdict
from core.datascience.models.pointers import Scope
from core.datascience.training import ask, work
from core.flows import REACTIONS
from core.kit.ids import new_id
from core.kit.relay import Relay
from tests.core.datascience.models.made import PASSED, REFUSED, registered
from tests.fakes.trainer import FakeTrainer
from tests.support import Api, Client, member, new_deal

TRAIN = "/v1/insights/train"
LEASE_S = 60.0
TRAININGS = "/v1/insights/trainings"


class Desk:
    """Somebody who may train, of a tenant with enough closed deals."""

    def __init__(self, api: Api, client: Client, tenant_id: UUID) -> None:
        self.api, self.client, self.tenant_id = api, client, tenant_id
        trainer = api.services.trainer
        assert isinstance(trainer, FakeTrainer)
        self.trainer = trainer

    async def asked(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(TRAIN, json=body)
        assert answer.status_code == 202, answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def seen(self, training_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"{TRAININGS}/{training_id}", params={"language": "en"})
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def drain(self) -> None:
        await Relay(self.api.services.db, REACTIONS, self.api.services).drain()


@pytest.fixture
async def desk(api: Api, ana: Client) -> Desk:
    settings = api.services.settings
    few = settings.forecasting.model_copy(update={"min_closed_deals": 1})
    api.services.settings = settings.model_copy(update={"forecasting": few})
    deal = await new_deal(ana)
    assert (await ana.patch(f"/v1/deals/{deal['id']}", json={"stage": "closed_won"})).status_code == 200
    client = await member(api, ana, "SUPER_ADMIN")
    return Desk(api, client, UUID((await client.get("/v1/me")).json()["tenant_id"]))


async def test_what_is_asked_for_is_started_and_told(desk: Desk) -> None:
    row = await desk.asked(algorithm="lightgbm")
    assert (row["status"], row["algorithm"], row["why"]) == ("queued", "lightgbm", "person")
    await desk.drain()
    assert list(desk.trainer.processes.items()) == [(UUID(row["id"]), desk.tenant_id)]
    mine = await work.claim(desk.api.services.db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    await work.report(desk.api.services.db, mine, LEASE_S, ["reading deals"], 0.2)
    seen = await desk.seen(row["id"])
    assert (seen["status"], seen["stage"], seen["progress"], seen["attempts"]) == ("running", "reading deals", 0.2, 1)
    assert [line["text"] for line in seen["lines"]][1:] == ["begun", "reading deals"]
    assert (seen["passed"], seen["verdict"]) == (None, [])


async def test_the_end_tells_the_version_and_the_gates_verdict(desk: Desk) -> None:
    row = await desk.asked()
    db = desk.api.services.db
    mine = await work.claim(db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    async with db.tenant(desk.tenant_id) as tx:
        model = await registered(tx, desk.api.services.objects, Scope.of_tenant(desk.tenant_id), 1, PASSED)
    await work.done(db, mine, model)
    seen = await desk.seen(row["id"])
    assert (seen["status"], seen["model_id"], seen["passed"]) == ("done", str(model.id), True)
    assert seen["progress"] == 1.0
    assert seen["metrics"] == {"auc": 0.8, "ece": 0.03}
    assert seen["verdict"][0] == "It may be promoted."
    assert [one["id"] for one in (await desk.client.get(TRAININGS, params={"status": "done"})).json()["items"]] == [
        row["id"]
    ]
    await desk.asked()


@pytest.mark.parametrize(
    ("outcome", "kind", "said"),
    [
        (PASSED, "training_done", "já responde"),
        (REFUSED, "training_refused", "o veredito diz por quê"),
        (None, "training_failed", "o histórico diz por quê"),
    ],
)
async def test_who_asked_is_told_of_the_end(desk: Desk, outcome: Verdict | None, kind: str, said: str) -> None:
    row = await desk.asked(algorithm="logistic")
    db, scope = desk.api.services.db, Scope.of_tenant(desk.tenant_id)
    mine = await work.claim(db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    if outcome is None:
        await work.failed(db, mine, "there are 3 won and 2 lost")
    else:
        async with db.tenant(desk.tenant_id) as tx:
            model = await registered(tx, desk.api.services.objects, scope, 1, outcome)
        await work.done(db, mine, model)
    await desk.drain()
    [told] = (await desk.client.get("/v1/notifications")).json()["items"]
    assert (told["kind"], told["subject"]) == (kind, row["id"])
    assert "(logistic)" in told["text"]
    assert told["text"].endswith(said)


async def test_nobody_is_told_of_what_drift_asked_for_or_a_person_took_back(desk: Desk) -> None:
    db = desk.api.services.db
    async with db.tenant(desk.tenant_id) as tx:
        drifted = await ask.ask(tx, ask.Wanted("forecast", "xgboost", why="drift"))
    mine = await work.claim(db, desk.tenant_id, drifted.id, LEASE_S)
    await work.failed(db, mine, "no matter")
    row = await desk.asked()
    await desk.client.post(f"{TRAININGS}/{row['id']}/cancel")
    await desk.drain()
    assert (await desk.client.get("/v1/notifications")).json()["items"] == []


async def test_one_of_each_algorithm_at_a_time(desk: Desk) -> None:
    row = await desk.asked()
    again = await desk.client.post(TRAIN, json={})
    assert again.status_code == 409
    assert row["id"] in again.json()["detail"]
    assert again.json()["trainingId"] == row["id"]
    await desk.asked(algorithm="logistic")


async def test_what_is_cancelled_has_no_process_and_cannot_end_otherwise(desk: Desk) -> None:
    row = await desk.asked()
    await desk.drain()
    mine = await work.claim(desk.api.services.db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    for _ in range(2):
        answer = await desk.client.post(f"{TRAININGS}/{row['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    await desk.drain()
    assert desk.trainer.processes == {}
    with pytest.raises(work.Lost):
        await work.failed(desk.api.services.db, mine, "no matter")
    assert (await desk.seen(row["id"]))["status"] == "cancelled"


async def test_what_is_over_cannot_be_cancelled(desk: Desk) -> None:
    row = await desk.asked()
    mine = await work.claim(desk.api.services.db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    await work.failed(desk.api.services.db, mine, "there are 3 won and 2 lost")
    answer = await desk.client.post(f"{TRAININGS}/{row['id']}/cancel")
    assert answer.status_code == 409
    seen = await desk.seen(row["id"])
    assert (seen["status"], seen["error"]) == ("failed", "there are 3 won and 2 lost")


async def test_a_search_is_part_of_what_is_asked_for(desk: Desk) -> None:
    row = await desk.asked(algorithm="logistic", tune=12)
    assert row["tune"] == 12
    mine = await work.claim(desk.api.services.db, desk.tenant_id, UUID(row["id"]), LEASE_S)
    assert mine.tune == 12
    assert "with a search of 12 trials" in (await desk.seen(row["id"]))["lines"][0]["text"]
    for wrong in ({"tune": -1}, {"tune": 201}, {"algorithm": "ensemble", "tune": 2}):
        assert (await desk.client.post(TRAIN, json=wrong)).status_code == 422


async def test_too_few_closed_deals_are_said_before_anything_begins(api: Api, ana: Client) -> None:
    answer = await (await member(api, ana, "SUPER_ADMIN")).post(TRAIN, json={})
    assert answer.status_code == 409
    assert answer.json()["detail"] == "A model takes at least 200 closed deals; there are 0."


async def test_who_may_train_and_who_may_look(api: Api, ana: Client) -> None:
    for role, looks, trains in (("DEVOPS", 200, 403), ("DATA_SCIENTIST", 200, 403), ("REP", 403, 403)):
        client = await member(api, ana, role)
        assert (await client.get(TRAININGS)).status_code == looks
        assert (await client.post(TRAIN, json={})).status_code == trains
        assert (await client.post(f"{TRAININGS}/{new_id()}/cancel")).status_code == trains
