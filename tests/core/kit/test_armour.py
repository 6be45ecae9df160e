"""Bodies that attack whoever reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.app import create_app
from core.kit.armour import check_json
from core.kit.errors import BadInput
from core.settings import Settings
from tests.support import Api, Client

JSON = {"Content-Type": "application/json"}


async def account(client: Client, body: bytes, kind: str | None = "application/json") -> tuple[int, str]:
    answer = await client.post("/v1/accounts", content=body, headers={"Content-Type": kind} if kind else {})
    return answer.status_code, answer.json().get("detail", "")


async def test_a_key_that_comes_twice_is_refused(ana: Client) -> None:
    for body in (
        b'{"name": "A", "name": "B"}',
        b'{"name": "A", "n\\u0061me": "B"}',
        b'{"name": "A", "x": [{"a":1,"a":1}]}',
    ):
        assert await account(ana, body) == (400, "The JSON names a key twice in one object. Send each key once.")


@pytest.mark.parametrize(("open_", "shut"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
async def test_endless_nesting_is_refused(ana: Client, open_: str, shut: str) -> None:
    for depth in (65, 1_000, 100_000):
        status, detail = await account(ana, (open_ * depth + "1" + shut * depth).encode())
        assert (status, detail) == (400, "The JSON is nested deeper than 64 levels. Send it flatter.")
    status, _ = await account(ana, (open_ * 63 + "1" + shut * 63).encode())
    assert status == 422, "deep, but within the limit: only its fields are wrong"


async def test_numbers_that_are_none_are_refused(ana: Client) -> None:
    for name in ("NaN", "Infinity", "-Infinity"):
        status, detail = await account(ana, b'{"name": %s}' % name.encode())
        assert (status, detail) == (400, f"{name} is no number of JSON. Send a number, or null.")


async def test_json_over_its_limit_is_refused_before_it_is_read(api: Api, ana: Client) -> None:
    body = json.dumps({"name": "x" * (api.services.settings.http.max_json_mb * 1024 * 1024)}).encode()
    assert (await account(ana, body))[0] == 413

    async def parts() -> Any:
        for at in range(0, len(body), 65536):
            yield body[at : at + 65536]

    answer = await ana.post("/v1/accounts", content=parts(), headers=JSON)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


async def test_a_body_of_another_kind_is_refused(ana: Client) -> None:
    for kind in ("text/plain", "application/xml", "application/jsonx", None):
        status, detail = await account(ana, b'{"name": "A"}', kind)
        assert (status, detail) == (415, "Send `Content-Type: application/json`, or a file as multipart/form-data.")
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"):
        assert (await account(ana, b'{"name": "A"}', kind))[0] == 201


async def test_what_is_no_json_is_said_to_be_none(ana: Client) -> None:
    for body in (b"{", b"\xff\xfe", b"1" * 5_000, b'"\\ud800"'):
        assert (await account(ana, body))[0] in (400, 422)


class Sent:
    """One request to the application, whose body comes as `messages` say, and then stays away."""

    def __init__(self, app: Any, kind: str, messages: list[bytes]) -> None:
        self._app = app
        self._messages = messages
        self._never = asyncio.Event()
        self.answers: list[Any] = []
        headers = [(b"content-type", kind.encode()), (b"authorization", b"Bearer x")]
        self._scope = {
            "type": "http", "method": "POST", "path": "/v1/login", "raw_path": b"/v1/login", "query_string": b"",
            "headers": headers, "client": ("203.0.113.7", 1), "server": ("test", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "",
        }  # fmt: skip

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return {"type": "http.request", "body": self._messages.pop(0), "more_body": True}
        await self._never.wait()
        raise AssertionError

    async def _send(self, message: Any) -> None:
        self.answers.append(message)

    async def answer(self) -> tuple[int, dict[str, Any]]:
        await self._app(self._scope, self._receive, self._send)
        body = b"".join(message.get("body", b"") for message in self.answers[1:])
        return self.answers[0]["status"], json.loads(body)


@pytest.fixture
def impatient(api: Api) -> Callable[[str, list[bytes]], Awaitable[tuple[int, dict[str, Any]]]]:
    settings: Settings = api.services.settings
    api.services.settings = settings.model_copy(update={"http": settings.http.model_copy(update={"body_idle_s": 0.05})})
    app = create_app(api.services)
    return lambda kind, messages: Sent(app, kind, messages).answer()


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
async def test_a_body_that_stops_in_the_middle_holds_nothing_up(impatient: Any, kind: str) -> None:
    status, said = await impatient(kind, [b'{"email": ', b'"a'])
    assert (status, said["errorType"]) == (408, "SlowRequest")
    assert said["detail"] == "The request came too slowly. Send it again, in one go."


async def test_a_form_over_its_limit_is_refused_as_it_comes(api: Api, ana: Client) -> None:
    settings = api.services.settings
    api.services.settings = settings.model_copy(update={"http": settings.http.model_copy(update={"max_body_mb": 1})})
    head = b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    messages = [head, *[b"0" * 65536] * 17]
    status, said = await Sent(create_app(api.services), "multipart/form-data; boundary=x", messages).answer()
    assert (status, said["errorType"]) == (413, "TooLarge")


async def test_every_answer_carries_headers_that_disarm_browsers(api: Api, ana: Client) -> None:
    for path in ("/v1/me", "/v1/nothing", "/healthz"):
        headers = (await ana.get(path)).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers, "not over plain HTTP"
    docs = await api.get("/docs")
    assert docs.status_code == 200
    assert "frame-ancestors 'none'" in docs.headers["content-security-policy"]


async def test_https_is_insisted_on_where_it_is_spoken(api: Api) -> None:
    settings = api.services.settings
    http = settings.http.model_copy(update={"public_url": "https://sales.example"})
    api.services.settings = settings.model_copy(update={"http": http})
    sent = Sent(create_app(api.services), "text/plain", [b"x"])
    await sent.answer()
    assert (b"Strict-Transport-Security", b"max-age=31536000; includeSubDomains") in sent.answers[0]["headers"]


async def test_other_sites_read_answers_only_where_they_are_named(api: Api, ana: Client) -> None:
    """No cookie carries a log-in, so a browser is never asked to send credentials."""
    ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    settings = api.services.settings
    http = settings.http.model_copy(update={"cors_origins": ["https://app.example"]})
    api.services.settings = settings.model_copy(update={"http": http})
    transport = httpx2.ASGITransport(app=create_app(api.services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for origin, allowed in (
            ("https://app.example", "https://app.example"), ("https://app.example.evil.example", None),
            ("http://app.example", None), ("null", None),
        ):  # fmt: skip
            asked = await client.options("/v1/me", headers={"Origin": origin, **ask})
            read = await client.get("/v1/me", headers={"Origin": origin, "Authorization": f"Bearer {ana.token}"})
            for answer in (asked, read):
                assert answer.headers.get("access-control-allow-origin") == allowed, origin
                assert "access-control-allow-credentials" not in answer.headers
    plain = await ana.get("/v1/me", headers={"Origin": "https://app.example"})
    assert "access-control-allow-origin" not in plain.headers, "by default nobody is"


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=40,
)


@given(NESTED)
def test_ordinary_json_passes(value: Any) -> None:
    check_json(json.dumps(value).encode())


@given(st.dictionaries(st.text(), st.integers(), min_size=1, max_size=5), st.data())
def test_a_repeated_key_is_found_wherever_it_stands(pairs: dict[str, int], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(sorted(pairs)))
    inside = ",".join(f"{json.dumps(k)}:{v}" for k, v in [*pairs.items(), (again, 0)])
    with pytest.raises(BadInput):
        check_json(f'[[{{"a":{{{inside}}}}}]]'.encode())
