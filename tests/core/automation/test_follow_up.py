"""From an analysed call to a task with its draft, over a real database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

import jwt
import pytest

from core.analysis.conversation import insights
from core.analysis.model import CallInsights
from core.automation.draft import draft
from core.automation.host import AgentHost
from core.calls.model import Call, Transcript
from core.calls.turns import Turn
from core.content.check import untraceable
from core.content.fallback import FallbackGenerator
from core.content.templates import TemplateGenerator
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import Emotion, Fact, Intention, Mood
from core.settings import configs_dir
from tests.support import Api, Client, new_deal

WRITER = FallbackGenerator([TemplateGenerator(configs_dir() / "content")])
NEUTRAL = Mood(0.0, 0.9, 0.3, Emotion.NEUTRAL, 0.9, Intention.INFORMATION, 0.9)
SAID = [
    ("seller", "Thank you for your time, how does your sales team work today?", NEUTRAL),
    ("customer", "Your price is too expensive for our budget.", replace(NEUTRAL, intention=Intention.OBJECTION)),
    ("seller", "Okay.", NEUTRAL),
    ("seller", "I will send you the proposal by Friday.", replace(NEUTRAL, intention=Intention.COMMITMENT)),
]


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
        await _call(tx, call_id, UUID(deal["id"]), user_id)
    data = {"call_id": str(call_id), "probability": 0.4, "before": 0.6}
    event = Event(EventType.FORECAST_CHANGED, tenant_id, UUID(deal["id"]), data)
    return Scene(ana, tenant_id, UUID(deal["id"]), event)


async def _call(tx: Tx, call_id: UUID, deal_id: UUID, owner_id: UUID) -> None:
    now = tx.clock.now()
    turns = [Turn(speaker, 10.0 * n, 10.0 * n + 4, text, (), 0.9) for n, (speaker, text, _) in enumerate(SAID)]
    found = insights(
        turns, [mood for _, _, mood in SAID], language="en", called_at=now, mentions=(), proposed=()
    ).to_json()
    tx.session.add(
        Call(
            id=call_id, tenant_id=tx.tenant_id, deal_id=deal_id, owner_id=owner_id, status="ready", language="en",
            object_key="calls/1", content_hash="0" * 64, size_bytes=1, duration_s=40.0, channels=2, codec="opus",
            started_at=now, created_at=now,
        )
    )  # fmt: skip
    await tx.session.flush()
    tx.session.add(
        Transcript(
            id=call_id, tenant_id=tx.tenant_id, language="en", language_confidence=1.0, engine="test", created_at=now,
            turns=[{"start_s": turn.start_s} for turn in turns],
        )
    )  # fmt: skip
    tx.session.add(
        CallInsights(id=call_id, tenant_id=tx.tenant_id, score=found["score"]["points"], data=found, created_at=now)
    )


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
    await AgentHost(api.services.db).handle(scene.event)
    again = replace(scene.event, id=new_id())
    await AgentHost(api.services.db).handle(again)
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
