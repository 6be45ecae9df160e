"""The wall between tenants, tried at every route of the routing table with every identifier of the other side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url

from core.app import create_app
from core.datascience.models import versions
from core.datascience.models.pointers import Scope
from core.datascience.predictions.fallback import base_rate
from core.datascience.predictions.log import Logged, PredictionLog
from core.datascience.training import ask as training
from core.flows import REACTIONS
from core.kit.db import APP_ROLE, Base
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.live.suggest.suggester import Shelf, Suggester
from core.live.understand import Open, Situation
from core.ports import Question
from tests.core.datascience.drift.made import proposed
from tests.core.datascience.groups.made import with_groups
from tests.core.datascience.models.made import PASSED, registered
from tests.fakes.engines import FakeHotValues
from tests.fakes.speech import encoded, silence, tone
from tests.routes import Bodies, Endpoint, endpoints
from tests.sockets import connect
from tests.support import Api, Client, member, new_deal, new_directory, sign_up

MARK = "Zanzibar"
SCIM = "urn:ietf:params:scim:schemas:core:2.0:"
PUBLIC = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/.well-known/jwks.json"),
    ("POST", "/v1/invitations/accept"), ("POST", "/v1/password/forgot"), ("POST", "/v1/password/reset"),
    ("POST", "/v1/signup"), ("POST", "/v1/login"), ("POST", "/v1/refresh"),
    ("GET", "/live"), ("GET", "/live/{name}"),
    ("GET", "/v1/sso/{tenant_slug}/{provider}/start"), ("GET", "/v1/sso/callback/{provider_id}"),
}  # fmt: skip
MESSAGES: dict[str, Callable[[str], Any]] = {
    "/v1/insights/stream": lambda id_: {"id": "one", "rows": [{"deal_id": id_}]},
    "/v1/notifications/stream": lambda id_: None,
    "/v1/live": lambda id_: {"type": "resume", "session": id_},
}
"""WebSocket → what it is asked about something with an id; None: it speaks without being asked."""
ENDS_THE_SESSION = {"/v1/logout", "/v1/logout-everywhere"}
ROLES = ("ADMIN", "MANAGER", "LEADER", "REP", "SDR", "DATA_SCIENTIST", "DEVOPS", "SUPER_ADMIN", "SYSTEM", "GUEST")


@dataclass(frozen=True)
class Sides:
    """Tenant A, full of things that bear the mark, and tenant B, which must not learn of them."""

    api: Api
    a: Client
    b: Client
    a_tenant: UUID
    ids: tuple[str, ...]
    tried: tuple[str, ...]  # of each kind the oldest and the newest: an attack with every one takes an hour

    def endpoints(self) -> list[Endpoint]:
        return [e for e in endpoints(create_app(self.api.services)) if e.permission is not None]


@pytest.fixture
async def sides(api: Api) -> Sides:
    signed = await sign_up(api, "side-a", email="ana@a.example")
    a, a_tenant = Client(api, signed["access_token"]), UUID(signed["tenant_id"])
    b = Client(api, (await sign_up(api, "side-b", email="bea@b.example"))["access_token"])
    a.directory, b.directory = await new_directory(api, a), await new_directory(api, b)
    await furnish(api, a)
    return Sides(api, a, b, a_tenant, tuple(owned(api, a_tenant)), tuple(owned(api, a_tenant, some=True)))


async def furnish(api: Api, a: Client) -> None:
    """Something of every kind, made the way its users make it."""
    account = (await a.post("/v1/accounts", json={"name": f"{MARK} Ltd"})).json()
    contact = {"account_id": account["id"], "name": f"{MARK} Silva", "email": "z@zanzibar.example"}
    contact_id = (await a.post("/v1/contacts", json=contact)).json()["id"]
    deal = await new_deal(a, name=f"{MARK} deal", contact_id=contact_id, account_id=account["id"])
    await with_rules(a)
    await a.patch(f"/v1/deals/{deal['id']}", json={"value_cents": 77_000_00})
    await a.post(f"/v1/deals/{deal['id']}/activities", json={"kind": "note", "direction": "out"})
    await a.post(f"/v1/deals/{deal['id']}/activities", json={"kind": "email", "direction": "out"})
    assert (await a.post("/v1/competitors", json={"name": f"{MARK} CRM"})).status_code == 201
    await with_playbook(api, a)
    await member(api, a, "REP", email="rep@a.example")
    domains = ["a.example"]
    provider = {"slug": "okta", "issuer": "https://id.a.example", "client_id": MARK, "allowed_domains": domains}
    assert (await a.post("/v1/sso/providers", json=provider)).status_code == 201
    invited = {"email": "new@zanzibar.example", "roles": ["REP"], "team": MARK}
    assert (await a.post("/v1/invitations", json=invited)).status_code == 201
    consent = {"purpose": "marketing", "evidence": f"{MARK} form"}
    assert (await a.post(f"/v1/contacts/{contact_id}/consents", json=consent)).status_code == 201
    number = {"by": "all", "month": "2027-01", "value_cents": 100_000_00, "reason": f"{MARK} told me"}
    assert (await a.post("/v1/forecasts/overrides", json=number)).status_code == 201
    assert a.directory is not None
    provisioned = {"schemas": [SCIM + "User"], "userName": "vera@zanzibar.example", "displayName": f"{MARK} Vera"}
    vera = await a.directory.post("/scim/v2/Users", json=provisioned)
    group = {"schemas": [SCIM + "Group"], "displayName": f"{MARK} team", "members": [{"value": vera.json()["id"]}]}
    assert (await a.directory.post("/scim/v2/Groups", json=group)).status_code == 201
    assert (await a.post("/v1/notifications/announce", json={"text": f"{MARK} lunch"})).status_code == 201
    browser = {"p256dh": "B" * 87, "auth": "A" * 22}
    push = {"endpoint": "https://push.example/zanzibar", "keys": browser}
    assert (await a.post("/v1/notifications/push-subscriptions", json=push)).status_code == 201
    key = {"name": f"{MARK} key", "scopes": ["can_view_deals"]}
    assert (await a.post("/v1/api-keys", json=key)).status_code == 201
    assert (await a.post("/v1/me/second-factor")).status_code == 201
    talk = np.concatenate([tone(3.5), silence(5.0)], axis=1)
    other = np.concatenate([silence(4.5), tone(4.0, 880.0)], axis=1)
    audio = io.BytesIO(encoded(np.concatenate([talk, other]), "flac", "flac"))
    form = {"deal_id": deal["id"], "title": f"{MARK} call"}
    call = await a.post("/v1/calls", files={"audio": ("a.flac", audio)}, data=form)
    assert call.status_code == 202
    await with_talk(api, a, deal["id"])
    nobody = {"email": "nobody@zanzibar.example", "reason": f"{MARK} asked"}
    # First, so that it is the oldest of its kind and is tried.
    assert (await a.post("/v1/privacy/erasures", json=nobody)).status_code == 202
    assert (await a.post("/v1/privacy/exports", json={"contact_id": contact_id})).status_code == 202
    relay = Relay(api.services.db, REACTIONS, api.services)
    await relay.drain()
    # The erasure may have taken that copy with it: one more, that can be read.
    assert (await a.post("/v1/privacy/exports", json={"contact_id": contact_id})).status_code == 202
    await relay.drain()
    tenant_id = api.services.tokens.check(a.token).tenant_id
    await with_models(api, tenant_id)
    book = PredictionLog(api.services.db)
    asked = Question({"meetings": 1.0}, deal_id=UUID(deal["id"]))
    book.add([Logged(tenant_id, api.services.clock.now(), asked, base_rate(1, 1), "flow", "champion", 1.0)])
    await book.close()
    fell = {"call_id": call.json()["id"], "probability": 0.3, "before": 0.9}
    await api.services.agents.handle(Event(EventType.FORECAST_CHANGED, tenant_id, UUID(deal["id"]), fell))
    await relay.drain()


async def with_talk(api: Api, a: Client, deal_id: str) -> None:
    """A live session that is over: one that runs would change under the attack."""
    async with connect(api.app, "/v1/live", token=a.token) as socket:
        await socket.send({"type": "start", "deal_id": deal_id, "title": f"{MARK} talk"})
        await socket.send({"type": "end"})
        while (await socket.read())["type"] != "session_ended":
            pass


async def with_rules(a: Client) -> None:
    """One that fires, one that waits."""
    says = {"name": f"{MARK} rule", "on": "deal_changed", "actions": [{"kind": "create_crm_task"}]}
    assert (await a.post("/v1/automation/rules", json=says)).status_code == 201
    waits = {"name": f"{MARK} wait", "on": "contact_made", "wait": {"hours": 1}, "actions": [{"kind": "notify"}]}
    assert (await a.post("/v1/automation/rules", json=waits)).status_code == 201
    days = {"country": "BR", "closed": ["2026-12-24"]}
    assert (await a.request("PUT", "/v1/automation/calendar", json=days)).status_code == 200


async def with_playbook(api: Api, a: Client) -> None:
    """A document, and something that was suggested, and taken."""
    book = {"document": ("a.txt", f"{MARK} costs nothing.".encode())}
    assert (await a.post("/v1/knowledge/documents", files=book, data={"title": MARK})).status_code == 202
    entry = {"kind": "objection", "language": "en", "on": ["objection:price"], "say": f"{MARK} is worth it."}
    assert (await a.post("/v1/playbook/entries", json=entry)).status_code == 201
    rival = {"name": f"{MARK} Soft", "weaknesses": ["reports"]}
    assert (await a.post("/v1/competitors", json=rival)).status_code == 201
    tenant_id = api.services.tokens.check(a.token).tenant_id
    shelf = Shelf(api.services.db, api.services.embedder, FakeHotValues())
    talk = await Suggester.open(shelf, tenant_id, new_id(), "en")
    now = Situation("en", objections=(Open("price", "Too expensive.", 0.0, 0.0, 0.9),))
    told = await talk.suggest(now, 0.0)
    assert told is not None
    await talk.judge(told.id, "accepted")


async def with_models(api: Api, tenant_id: UUID) -> None:
    async with api.services.db.tenant(tenant_id) as tx:
        own = Scope.of_tenant(tenant_id)
        first = await registered(tx, api.services.objects, own, 1, PASSED, parameters={"note": MARK})
        await registered(tx, api.services.objects, own, 2, PASSED)
        await versions.challenge(tx, api.services.objects, first.id)
        await proposed(tx, first)
        await training.ask(tx, training.Wanted("forecast", "xgboost"))
        await with_groups(tx, api.services.objects, api.services.features)


def owner_connection(api: Api) -> psycopg.Connection[Any]:
    url = api.services.settings.database.admin_url
    assert url is not None
    plain = make_url(url.get_secret_value()).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def tables() -> list[str]:
    return sorted(name for name, table in Base.metadata.tables.items() if "tenant_id" in table.columns)


def owned(api: Api, tenant_id: UUID, *, some: bool = False) -> list[str]:
    """Every id in every table that belongs to the tenant."""
    found = {str(tenant_id)}
    with owner_connection(api) as connection:
        for name in tables():
            if "id" in Base.metadata.tables[name].columns:
                rows = connection.execute(f"SELECT id FROM {name} WHERE tenant_id = %s ORDER BY id", (tenant_id,))
                ids = [str(row[0]) for row in rows.fetchall()]
                found |= {*ids[:1], *ids[-1:]} if some else set(ids)
    return sorted(found)


def fingerprint(api: Api, tenant_id: UUID) -> dict[str, str]:
    """What is in each table of the tenant, in short; sessions are used by asking."""
    query = "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t WHERE tenant_id = %s"
    with owner_connection(api) as connection:
        return {
            name: connection.execute(query.format(name), (tenant_id,)).fetchall()[0][0]
            for name in tables()
            if name not in ("sessions", "refresh_tokens")
        }


def plain(answer: httpx2.Response, *ids: str) -> tuple[int, str]:
    """Status and body without what differs from request to request."""
    text = re.sub(r'"(instance|requestId|timestamp)": ?"[^"]*"', "", answer.text)
    for id_ in ids:
        text = text.replace(id_, "ID")
    return answer.status_code, text


async def ask(client: Client, endpoint: Endpoint, id_: str, bodies: Bodies, *, in_path: str | None = None) -> Any:
    path = endpoint.path
    if path.startswith("/scim/"):
        client = client.directory or client
    for name in endpoint.parameters:
        path = path.replace(f"{{{name}}}", in_path or id_)
    query = dict.fromkeys(endpoint.queries_of_ids(), id_)
    body = MESSAGES[path](id_) if endpoint.method == "WEBSOCKET" else bodies.body(endpoint, id_)
    options = {"json": body} if body is not None else {}
    return await client.request(endpoint.method, path, params=query, **options)


def tells(answer: httpx2.Response, sides: Sides, *given: str) -> list[str]:
    """What of A's is in an answer, beyond what the question held."""
    return [word for word in (MARK, *sides.ids) if word in answer.text and word not in given]


async def test_a_route_without_a_permission_is_public_on_purpose(api: Api) -> None:
    found = {(e.method, e.path) for e in endpoints(create_app(api.services)) if e.permission is None}
    assert found == PUBLIC


async def test_every_permission_that_a_route_asks_for_is_in_some_role(api: Api) -> None:
    known = api.services.roles.scopes(ROLES)
    asked = {e.permission for e in endpoints(create_app(api.services)) if e.permission is not None}
    assert asked <= known


async def test_without_a_token_every_route_is_shut(sides: Sides) -> None:
    for endpoint in sides.endpoints():
        path = re.sub(r"{\w+}", str(new_id()), endpoint.path)
        answer = await sides.api.request(endpoint.method, path)
        assert answer.status_code == 401, (endpoint.method, endpoint.path)


async def test_the_seed_opens_every_route_that_shows_one_thing(sides: Sides) -> None:
    """Else the attacks below would knock at empty rooms."""
    bodies = Bodies(create_app(sides.api.services))
    for endpoint in sides.endpoints():
        if endpoint.method == "GET" and endpoint.ids:
            for id_ in sides.tried:
                if (await ask(sides.a, endpoint, id_, bodies)).status_code == 200:
                    break
            else:
                pytest.fail(endpoint.path)


async def attack(sides: Sides, *, under: str = "/") -> list[tuple[str, str, str]]:
    """As tenant B's administrator, with each of A's ids wherever a route takes one: where the answer differs from
    that for an id that nobody has. `under`: what the paths begin with."""
    bodies = Bodies(create_app(sides.api.services))
    unknown, leaks = str(new_id()), []
    for endpoint in sides.endpoints():
        takes_ids = endpoint.parameters or endpoint.queries_of_ids() or bodies.takes_ids(endpoint)
        if not endpoint.path.startswith(under) or (not takes_ids and endpoint.method != "WEBSOCKET"):
            continue
        nothing = plain(await ask(sides.b, endpoint, unknown, bodies), unknown)
        for id_ in sides.tried:
            answer = await ask(sides.b, endpoint, id_, bodies)
            if plain(answer, id_) != nothing or tells(answer, sides, id_):
                leaks.append((endpoint.method, endpoint.path, id_))
            if endpoint.parameters and answer.status_code < 400:
                leaks.append((endpoint.method, endpoint.path, id_))
    return leaks


async def test_what_belongs_to_another_tenant_is_as_if_it_were_not(sides: Sides) -> None:
    before = fingerprint(sides.api, sides.a_tenant)
    assert await attack(sides) == []
    assert fingerprint(sides.api, sides.a_tenant) == before


async def test_a_hole_in_the_wall_is_found(sides: Sides) -> None:
    with owner_connection(sides.api) as connection:
        connection.execute(f"CREATE POLICY hole ON deals FOR SELECT TO {APP_ROLE} USING (true)")
    leaks = {(method, path) for method, path, _ in await attack(sides, under="/v1/deals")}
    assert {("GET", "/v1/deals/{deal_id}"), ("GET", "/v1/deals/{deal_id}/history")} <= leaks


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_sees_anything_of_another_tenant(sides: Sides, role: str) -> None:
    client = await member(sides.api, sides.b, role) if role != "ADMIN" else sides.b
    bodies = Bodies(create_app(sides.api.services))
    before = fingerprint(sides.api, sides.a_tenant)
    for endpoint in sides.endpoints():
        if endpoint.path in ENDS_THE_SESSION:
            continue
        for id_ in (sides.ids[0], sides.ids[-1]) if endpoint.parameters else sides.ids[:1]:
            answer = await ask(client, endpoint, id_, bodies)
            assert not tells(answer, sides, id_), (endpoint.method, endpoint.path)
            assert answer.status_code < 500, (endpoint.method, endpoint.path, answer.text)
    assert fingerprint(sides.api, sides.a_tenant) == before
