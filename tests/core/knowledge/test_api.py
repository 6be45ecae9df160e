"""Documents over HTTP: from the upload to an answer with its place."""

from __future__ import annotations

from typing import Any

import httpx2

from core.flows import REACTIONS
from core.kit.ids import new_id
from core.kit.relay import Relay
from tests.support import Api, Client, member, sign_up

URL = "/v1/knowledge/documents"
SAID = "The pilot is free of charge for sixty days."


async def send(client: Client, content: bytes, name: str = "pilot.txt", **form: str) -> httpx2.Response:
    return await client.post(URL, files={"document": (name, content)}, data=form)


async def drained(api: Api) -> None:
    await Relay(api.services.db, REACTIONS, api.services).drain()


async def ask(client: Client, question: str) -> dict[str, Any]:
    answer = await client.get("/v1/knowledge/search", params={"q": question})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_document_is_asked_once_it_is_read(api: Api, ana: Client) -> None:
    sent = await send(ana, SAID.encode(), title="Pilot terms")
    assert (sent.status_code, sent.json()["status"]) == (202, "waiting")
    assert await ask(ana, SAID) == {"answer": None, "hits": []}
    await drained(api)
    shown = (await ana.get(sent.headers["Location"])).json()
    assert (shown["status"], shown["passages"], shown["language"]) == ("ready", 1, "en")
    answer = (await ask(ana, SAID))["answer"]
    assert (answer["text"], answer["confidence"] > 0.9) == (SAID, True)
    assert answer["citation"] == {
        "document_id": shown["id"], "title": "Pilot terms", "passage": 0, "heading": "", "page": None
    }  # fmt: skip


async def test_what_is_not_written_is_not_answered(api: Api, ana: Client) -> None:
    await send(ana, SAID.encode())
    await drained(api)
    found = await ask(ana, "Who founded the company?")
    assert (found["answer"], len(found["hits"])) == (None, 1)


async def test_the_same_file_is_the_same_document(api: Api, ana: Client) -> None:
    first, again = await send(ana, SAID.encode()), await send(ana, SAID.encode(), name="other.md")
    assert first.json()["id"] == again.json()["id"]
    assert len((await ana.get(URL)).json()["items"]) == 1


async def test_a_deleted_document_answers_no_more(api: Api, ana: Client) -> None:
    sent = (await send(ana, SAID.encode())).json()
    await drained(api)
    assert (await ana.request("delete", f"{URL}/{sent['id']}")).status_code == 204
    assert await ask(ana, SAID) == {"answer": None, "hits": []}
    assert (await ana.request("delete", f"{URL}/{sent['id']}")).status_code == 404


async def test_one_that_is_deleted_before_it_was_read_is_left_alone(api: Api, ana: Client) -> None:
    sent = (await send(ana, SAID.encode())).json()
    await ana.request("delete", f"{URL}/{sent['id']}")
    await drained(api)
    assert (await ana.get(URL)).json()["items"] == []


async def test_what_cannot_be_read_says_why(api: Api, ana: Client) -> None:
    sent = (await send(ana, b"%PDF-1.7 nothing", name="scan.pdf")).json()
    await drained(api)
    shown = (await ana.get(f"{URL}/{sent['id']}")).json()
    assert shown["status"] == "failed"
    assert "again" in shown["error"]


async def test_rubbish_is_refused_at_once(ana: Client) -> None:
    assert (await send(ana, b"x", name="macro.xlsm")).status_code == 415
    assert (await send(ana, b"")).status_code == 422
    assert (await ana.get("/v1/knowledge/search", params={"q": ""})).status_code == 422


async def test_a_seller_asks_and_does_not_write(api: Api, ana: Client) -> None:
    rep = await member(api, ana, "REP")
    assert (await send(rep, SAID.encode())).status_code == 403
    assert await ask(rep, SAID) == {"answer": None, "hits": []}


async def test_another_tenants_documents_are_out_of_reach(api: Api, ana: Client) -> None:
    sent = (await send(ana, SAID.encode())).json()
    await drained(api)
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    assert await ask(eve, SAID) == {"answer": None, "hits": []}
    assert (await eve.get(f"{URL}/{sent['id']}")).status_code == 404
    assert (await eve.request("delete", f"{URL}/{sent['id']}")).status_code == 404
    assert (await ana.get(f"{URL}/{new_id()}")).status_code == 404
