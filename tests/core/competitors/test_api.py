"""Competitors over HTTP, and how those that were entered and those that were not show up in a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.flows import REACTIONS
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.ports import Heard, Utterance, Word
from tests.fakes.speech import encoded, tone
from tests.support import Api, Client, new_deal, sign_up

URL = "/v1/competitors"


class Saying:
    """A `Transcriber` that hears one text, a word each tenth of a second, and notes what it was told to expect."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.hints: list[Sequence[str]] = []

    async def transcribe(self, pcm: np.ndarray, *, language: str | None = None, hints: Sequence[str] = ()) -> Heard:
        self.hints.append(hints)
        words = tuple(Word(w, round(n / 10, 1), round((n + 1) / 10, 1), 0.9) for n, w in enumerate(self._text.split()))
        said = Utterance(self._text, 0.0, words[-1].end_s, words, 0.9)
        return Heard(language or "en", 1.0, (said,), "saying")


async def create(client: Client, **body: Any) -> dict[str, Any]:
    answer = await client.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def analysed(api: Api, client: Client, text: str, **form: str) -> tuple[dict[str, Any], Saying]:
    """The insights of a call in which one voice says `text`."""
    heard = Saying(text)
    file = {"audio": ("call.wav", encoded(tone(10.0), "wav", "pcm_s16le"))}
    answer = await client.post("/v1/calls", files=file, data={"language": "en", **form})
    assert answer.status_code == 202, answer.text
    await Relay(api.services.db, REACTIONS, replace(api.services, transcriber=heard)).drain()
    found: dict[str, Any] = (await client.get(f"{answer.headers['Location']}/insights")).json()["insights"]
    return found, heard


async def test_a_competitor_is_kept_with_all_that_is_known_of_it(api: Api, ana: Client) -> None:
    known = {
        "name": "Pipedrive", "aliases": ["Pipe Drive", "PD"], "category": "CRM", "strengths": ["price"],
        "weaknesses": ["reports"],
    }  # fmt: skip
    made = await create(ana, **{**known, "name": "  Pipedrive "})
    assert {name: made[name] for name in known} == known
    assert made["created_at"] == "2026-11-24T14:00:00Z"
    assert (await ana.get(URL)).json() == [made]


async def test_competitors_are_listed_by_name(api: Api, ana: Client) -> None:
    for name in ("Zoho", "Agendor", "HubSpot"):
        await create(ana, name=name)
    listed = (await ana.get(URL)).json()
    assert [row["name"] for row in listed] == ["Agendor", "HubSpot", "Zoho"]
    assert listed[0]["aliases"] == listed[0]["strengths"] == listed[0]["weaknesses"] == []
    assert listed[0]["category"] is None


async def test_a_name_is_taken_once(api: Api, ana: Client) -> None:
    await create(ana, name="Zoho")
    answer = await ana.post(URL, json={"name": "Zoho", "aliases": ["other"]})
    assert (answer.status_code, answer.json()["detail"]) == (409, "Zoho is there already.")
    assert [row["aliases"] for row in (await ana.get(URL)).json()] == [[]]


async def test_a_deleted_competitor_is_gone_and_its_name_free(api: Api, ana: Client) -> None:
    made = await create(ana, name="Zoho")
    assert (await ana.request("delete", f"{URL}/{made['id']}")).status_code == 204
    assert (await ana.get(URL)).json() == []
    again = await ana.request("delete", f"{URL}/{made['id']}")
    assert (again.status_code, again.json()["detail"]) == (404, "There is no such competitor.")
    await create(ana, name="Zoho")


async def test_rubbish_is_refused_by_name(api: Api, ana: Client) -> None:
    for body, field in [
        ({}, "body.name"),
        ({"name": " Z "}, "body.name"),
        ({"name": "Z" * 101}, "body.name"),
        ({"name": "Zoho", "aliases": ["ok", "z"]}, "body.aliases.1"),
        ({"name": "Zoho", "aliases": ["alias"] * 51}, "body.aliases"),
        ({"name": "Zoho", "aliases": "Soho"}, "body.aliases"),
        ({"name": "Zoho", "rank": 1}, "body.rank"),
    ]:
        answer = await ana.post(URL, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await ana.get(URL)).json() == []


async def test_another_tenants_competitors_are_out_of_reach(api: Api, ana: Client) -> None:
    made = await create(ana, name="Zoho")
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    assert (await eve.get(URL)).json() == []
    assert (await eve.request("delete", f"{URL}/{made['id']}")).status_code == 404
    assert (await ana.request("delete", f"{URL}/{new_id()}")).status_code == 404
    await create(eve, name="Zoho")
    assert [row["id"] for row in (await ana.get(URL)).json()] == [made["id"]]


async def test_a_call_names_the_known_and_proposes_the_unknown(api: Api, ana: Client) -> None:
    await create(ana, name="Pipedrive", aliases=["PD Sales"])
    await create(ana, name="Zoho")
    text = "We are using Pype Drive. And we are talking to Freshsales too. Was it PD Sales?"
    found, heard = await analysed(api, ana, text)
    assert [(n["name"], n["heard_as"], n["start_s"], n["said"]) for n in found["competitors"]] == [
        ("Pipedrive", "Pype Drive", 0.3, text), ("Pipedrive", "PD Sales", 1.4, text)
    ]  # fmt: skip
    assert found["proposed_competitors"] == ["Freshsales"]
    assert heard.hints == [["Pipedrive", "PD Sales", "Zoho"]]


async def test_a_call_knows_nothing_of_another_tenants_competitors(api: Api, ana: Client) -> None:
    eve = Client(api, (await sign_up(api, "rival", email="eve@example.com"))["access_token"])
    await create(eve, name="Freshsales")
    found, heard = await analysed(api, ana, "We are talking to Freshsales too.")
    assert (found["competitors"], found["proposed_competitors"]) == ([], ["Freshsales"])
    assert heard.hints == [[]]


async def test_tomorrow_is_the_day_after_the_call_where_the_seller_is(api: Api, ana: Client) -> None:
    """At 01:00 UTC it is still the evening before in São Paulo."""
    found, _ = await analysed(api, ana, "I'll send you the offer tomorrow.", started_at="2026-11-24T01:00:00Z")
    assert [step["due_on"] for step in found["next_steps"]] == ["2026-11-24"]


async def test_a_call_about_a_deal_is_noted_in_its_history_once(api: Api, ana: Client) -> None:
    await create(ana, name="Zoho")
    deal = await new_deal(ana)
    await analysed(api, ana, "Zoho is cheaper. Zoho has everything.", deal_id=deal["id"])
    [noted] = (await ana.get(f"/v1/deals/{deal['id']}/activities")).json()
    assert (noted["kind"], noted["competitors"]) == ("call", 1)
