"""What an attacker with a valid account tries at every route, named for what it does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.app import create_app
from tests.fakes.speech import encoded, tone
from tests.routes import Bodies, Endpoint, endpoints
from tests.support import Api, Client, member, new_deal

INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE deals; --", '" OR 1=1 --', "1) UNION SELECT password_hash FROM users --",
    "%27%20OR%201=1", "\\", "a\u0000b", "{{7*7}}", "${jndi:ldap://x}", "9" * 5_000,
)  # fmt: skip
FILE_NAMES = (
    "../../../etc/passwd", "..\\..\\windows\\system.ini", "/etc/passwd", "a/../../b.wav", "CON", "x" * 3_000,
    'a"; filename="b', "a\r\nSet-Cookie: x=1",
)  # fmt: skip


def found(api: Api) -> list[Endpoint]:
    return [e for e in endpoints(create_app(api.services)) if e.permission is not None]


async def test_mass_assignment_is_refused_by_every_body(api: Api) -> None:
    """An unknown field is an error, so no body can set an id, a tenant, a role or a status that it does not name."""
    document = create_app(api.services).openapi()
    schemas = document["components"]["schemas"]
    seen = 0
    for endpoint in endpoints(create_app(api.services)):
        content = endpoint.operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            continue
        for name in [ref.rpartition("/")[2] for ref in _references(schema)]:
            assert schemas[name].get("additionalProperties") is False, (endpoint.path, name)
            assert not {"id", "tenant_id", "created_at"} & schemas[name]["properties"].keys(), (endpoint.path, name)
            seen += 1
    assert seen > 8


async def test_a_field_that_was_smuggled_in_is_named(ana: Client) -> None:
    account = (await ana.post("/v1/accounts", json={"name": "A"})).json()
    body = {"account_id": account["id"], "name": "D", "value_cents": 1, "tenant_id": account["id"], "outcome": "won"}
    answer = await ana.post("/v1/deals", json=body)
    assert answer.status_code == 422
    assert {e["field"] for e in answer.json()["errors"]} == {"body.tenant_id", "body.outcome"}


async def test_sql_and_templates_in_every_query_parameter_are_only_text(api: Api, ana: Client) -> None:
    await new_deal(ana)
    rep = await member(api, ana, "REP")
    tried = 0
    for endpoint in found(api):
        names = [p["name"] for p in endpoint.operation.get("parameters", []) if p["in"] == "query"]
        if endpoint.method != "GET" or endpoint.parameters:
            continue
        for name in names:
            for text in INJECTIONS:
                answer = await rep.get(endpoint.path, params={name: text})
                assert answer.status_code < 500, (endpoint.path, name, text)
                if answer.status_code == 200 and isinstance(answer.json(), dict) and "items" in answer.json():
                    assert len(answer.json()["items"]) <= len((await rep.get(endpoint.path)).json()["items"])
                tried += 1
    assert tried > 50
    assert len((await ana.get("/v1/deals")).json()["items"]) == 1, "nothing was dropped"


async def test_sql_in_every_path_parameter_is_no_id(api: Api, ana: Client) -> None:
    for endpoint in found(api):
        for name in endpoint.parameters:
            for text in ("' OR 1=1 --", "..%2f..%2fetc%2fpasswd", "%00", "-1"):
                path = endpoint.path.replace(f"{{{name}}}", text)
                for other in endpoint.parameters:
                    path = path.replace(f"{{{other}}}", "x")
                answer = await ana.request(endpoint.method, path, json={})
                assert 400 <= answer.status_code < 500, (endpoint.method, path, answer.status_code)


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
async def test_a_file_name_leads_nowhere(api: Api, ana: Client, name: str) -> None:
    """Objects lie under the tenant by their own id; what a client calls its file is used nowhere."""
    data = io.BytesIO(encoded(tone(1.0), "wav", "pcm_s16le"))
    answer = await ana.post("/v1/calls", files={"audio": (name, data)})
    assert answer.status_code == 202, answer.text
    call = answer.json()
    tenant_id = api.services.tokens.check(ana.token).tenant_id
    assert await api.services.objects.keys("") == [f"{tenant_id}/calls/{call['id']}"]
    audio = await ana.get(f"/v1/calls/{call['id']}/audio")
    assert audio.headers["content-disposition"] == f'attachment; filename="{call["id"]}"'
    assert "set-cookie" not in audio.headers


async def test_text_that_was_said_or_typed_comes_back_as_it_is(ana: Client) -> None:
    """Text is data: nothing evaluates it, and a browser is told not to sniff it."""
    name = "<script>alert(1)</script> {{7*7}} ${7*7} Ignore all previous instructions"
    made = await ana.post("/v1/accounts", json={"name": name})
    assert made.json()["name"] == name
    assert made.headers["content-type"] == "application/json"
    assert made.headers["x-content-type-options"] == "nosniff"


async def test_an_error_tells_nothing_of_the_inside(api: Api, ana: Client) -> None:
    for endpoint in found(api):
        path = endpoint.path
        for name in endpoint.parameters:
            path = path.replace(f"{{{name}}}", "no-uuid")
        text = (await ana.request(endpoint.method, path, json={"x": 1})).text
        for word in ("Traceback", "sqlalchemy", "psycopg", "SELECT ", str(Path(__file__).parents[2])):
            assert word not in text, (endpoint.path, word)


async def test_who_was_refused_where_is_logged(api: Api, ana: Client) -> None:
    with capture_logs() as logs:
        await api.post("/v1/login", json={"email": "ana@acme.example", "password": "a wrong password"})
        rep = await member(api, ana, "REP", email="rep@acme.example")
        await rep.get("/v1/sso/providers")
    refused = [(entry["status"], entry["path"]) for entry in logs if entry["event"] == "request_refused"]
    assert refused == [(401, "/v1/login"), (403, "/v1/sso/providers")]
    assert "a wrong password" not in str(logs)


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if "$ref" in schema else []
        return own + [ref for value in schema.values() for ref in _references(value)]
    return [ref for value in schema for ref in _references(value)] if isinstance(schema, list) else []


def test_bodies_are_made_to_fit(api: Api) -> None:
    """The generator that the attacks use makes what the schema asks for."""
    bodies = Bodies(create_app(api.services))
    deal = next(e for e in found(api) if (e.method, e.path) == ("POST", "/v1/deals"))
    assert bodies.takes_ids(deal)
    assert {"account_id", "name", "value_cents"} <= bodies.body(deal, "ID").keys()


async def test_the_letter_nul_in_a_text_is_refused_and_no_error_of_ours(ana: Client) -> None:
    answer = await ana.post("/v1/accounts", json={"name": "a\u0000b"})
    assert (answer.status_code, "NUL" in answer.json()["detail"]) == (422, True)
