"""From an analysed call to a task with its draft, over a real database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

import jwt
import pytest

from core import bootstrap
from core.automation.draft import draft
from core.automation.residents import agent_host
from core.content.check import untraceable
from core.content.fallback import FallbackGenerator
from core.content.templates import TemplateGenerator
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import Fact
from core.settings import configs_dir
from tests.core.automation.agent.made import talked
from tests.fakes.engines import FakePredictor
from tests.support import Api, Client, new_deal

WRITER = FallbackGenerator([TemplateGenerator(configs_dir() / "content")])


@dataclass(frozen=True)
class Scene:
    client: Client
    tenant_id: UUID
    deal_id: UUID
    event: Event


@pytest.fixture
async def scene(api: Api, ana: Client) -> Scene:
    """A call about a deal was analysed, and the deal's odds fell."""
    claims = jwt.decode(ana.token, options={"verify_signature": False})
    tenant_id, user_id = UUID(claims["tenant_id"]), UUID(claims["sub"])
    account = (await ana.post("/v1/accounts", json={"name": "Horizonte"})).json()
    contact = {"account_id": account["id"], "name": "Maria Souza", "email": "maria@example.com", "language": "en"}
    contact_id = (await ana.post("/v1/contacts", json=contact)).json()["id"]
    people = {"account_id": account["id"], "contact_id": contact_id, "owner_id": str(user_id)}
    deal = await new_deal(ana, name="CRM roll-out", **people)
    call_id = new_id()
    async with api.services.db.tenant(tenant_id) as tx:
        await talked(tx, call_id, UUID(deal["id"]), user_id)
    data = {"call_id": str(call_id), "probability": 0.4, "before": 0.6}
    event = Event(EventType.FORECAST_CHANGED, tenant_id, UUID(deal["id"]), data, id=UUID(int=3))  # tries nothing new
    return Scene(ana, tenant_id, UUID(deal["id"]), event)


async def test_a_call_leads_to_one_task_with_a_traceable_draft(api: Api, scene: Scene) -> None:
    await api.services.agents.handle(scene.event)
    [task] = (await scene.client.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["template"], task["status"]) == ("send_email", "follow_up", "waiting")
    async with api.services.db.tenant(scene.tenant_id) as tx:
        await draft(tx, UUID(task["id"]), WRITER)
        await draft(tx, UUID(task["id"]), WRITER)
    written = (await scene.client.get(f"/v1/tasks/{task['id']}")).json()["draft"]
    facts = [Fact(**fact) for fact in written["facts"]]
    assert untraceable(f"{written['subject']}\n\n{written['body']}", facts) == []
    assert written["subject"] == "Next steps: CRM roll-out"
    assert "Hi Maria," in written["body"]
    assert "About the investment" in written["body"]
    assert "- Proposal: Friday, November 27 (Ana)" in written["body"]
    sources = {fact.name: fact.source for fact in facts}
    assert sources["objection_price"] == f"call:{scene.event.data['call_id']}@10.0"


async def test_repeats_and_restarts_write_nothing_twice(api: Api, scene: Scene) -> None:
    for _ in range(2):
        await api.services.agents.handle(scene.event)
    await agent_host(api.services.db, FakePredictor(), bootstrap.deal_inputs).handle(scene.event)
    again = replace(scene.event, id=new_id())
    await agent_host(api.services.db, FakePredictor(), bootstrap.deal_inputs).handle(again)
    assert len((await scene.client.get("/v1/tasks")).json()["items"]) == 1


async def test_a_dismissed_task_makes_room_for_the_next(api: Api, scene: Scene) -> None:
    await api.services.agents.handle(scene.event)
    [task] = (await scene.client.get("/v1/tasks")).json()["items"]
    await scene.client.post(f"/v1/tasks/{task['id']}/dismiss")
    verdict = {"deal_id": str(scene.deal_id), "kind": "send_email", "verdict": "dismissed"}
    await api.services.agents.handle(Event(EventType.TASK_DECIDED, scene.tenant_id, UUID(task["id"]), verdict))
    await api.services.agents.handle(replace(scene.event, id=new_id()))
    assert len((await scene.client.get("/v1/tasks")).json()["items"]) == 2


async def test_who_has_answered_since_is_not_written_to(api: Api, scene: Scene) -> None:
    answer = await scene.client.post(f"/v1/deals/{scene.deal_id}/activities", json={"kind": "email", "direction": "in"})
    assert answer.status_code == 201
    await api.services.agents.handle(scene.event)
    [task] = (await scene.client.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["template"]) == ("notify_user", None)
