"""Playbooks and battlecards over HTTP."""

from __future__ import annotations

from typing import Any

from core.kit.ids import new_id
from core.live.playbook.entries import starter
from tests.support import Api, Client, member, sign_up

URL = "/v1/playbook/entries"
ENTRY = {
    "kind": "objection", "language": "pt", "on": ["objection:price", "intent:request"], "say": "Comece com dez.",
    "examples": ["É caro."],
}  # fmt: skip


async def create(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={**ENTRY, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_entry_is_written_changed_and_deleted(ana: Client) -> None:
    made = await create(ana)
    assert {name: made[name] for name in ENTRY} == ENTRY
    assert made["is_enabled"]
    assert (await ana.get(f"{URL}/{made['id']}")).json() == made
    changed = await ana.patch(f"{URL}/{made['id']}", json={"say": "Comece com cinco.", "is_enabled": False})
    assert (changed.json()["say"], changed.json()["is_enabled"]) == ("Comece com cinco.", False)
    assert (await ana.request("delete", f"{URL}/{made['id']}")).status_code == 204
    assert (await ana.get(f"{URL}/{made['id']}")).status_code == 404


async def test_they_are_listed_by_language(ana: Client) -> None:
    await create(ana)
    english = await create(ana, language="en")
    assert [row["id"] for row in (await ana.get(URL, params={"language": "en"})).json()["items"]] == [english["id"]]
    assert len((await ana.get(URL)).json()["items"]) == 2


async def test_rubbish_is_refused_by_name(ana: Client) -> None:
    for fields, field in (
        ({"on": ["objection:weather"]}, "body.on.0"), ({"on": []}, "body.on"), ({"say": " "}, "body.say"),
        ({"kind": "joke"}, "body.kind"), ({"color": 1}, "body.color"),
    ):  # fmt: skip
        answer = await ana.post(URL, json={**ENTRY, **fields})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    made = await create(ana)
    assert (await ana.patch(f"{URL}/{made['id']}", json={})).status_code == 422


async def test_the_starter_is_taken_over_once_and_can_be_changed(ana: Client) -> None:
    taken = await ana.post("/v1/playbook/starter", json={"language": "pt"})
    assert len(taken.json()) == len(starter("pt"))
    assert (await ana.post("/v1/playbook/starter", json={"language": "pt"})).json() == []
    first = taken.json()[0]
    assert (await ana.patch(f"{URL}/{first['id']}", json={"is_enabled": False})).status_code == 200


async def test_a_card_shows_what_is_known_of_a_rival(ana: Client) -> None:
    bare = (await ana.post("/v1/competitors", json={"name": "Acme"})).json()
    known = (await ana.post("/v1/competitors", json={"name": "Zoho", "weaknesses": ["relatórios."]})).json()
    [card] = (await ana.get("/v1/battlecards")).json()
    assert card["text"] == "Zoho. Pontos fracos: relatórios. Pergunte como resolvem hoje: relatórios."
    assert (await ana.get(f"/v1/battlecards/{known['id']}", params={"language": "pt"})).json() == card
    assert (await ana.get(f"/v1/battlecards/{bare['id']}")).status_code == 404


async def test_sellers_read_and_leaders_write(api: Api, ana: Client) -> None:
    made = await create(ana)
    rep, leader = await member(api, ana, "REP"), await member(api, ana, "LEADER")
    assert (await rep.get(f"{URL}/{made['id']}")).status_code == 200
    assert (await rep.post(URL, json=ENTRY)).status_code == 403
    assert (await leader.post(URL, json=ENTRY)).status_code == 201


async def test_another_tenants_playbook_is_out_of_reach(api: Api, ana: Client) -> None:
    made = await create(ana)
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    assert (await eve.get(URL)).json()["items"] == []
    for id_ in (made["id"], str(new_id())):
        assert (await eve.get(f"{URL}/{id_}")).status_code == 404
        assert (await eve.patch(f"{URL}/{id_}", json={"say": "Mine."})).status_code == 404
        assert (await eve.request("delete", f"{URL}/{id_}")).status_code == 404
