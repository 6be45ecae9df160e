"""What a person may ask for: consent counts, retention is carried out, a copy holds all, and erasure leaves nothing."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import numpy as np
import pytest

from core.audit.anchors import Seal, anchor
from core.audit.verify import verify
from core.flows import REACTIONS
from core.kit.clock import VirtualClock
from core.kit.db import Base
from core.kit.relay import Relay
from core.privacy.retention import Stores, retain
from tests.core.test_isolation import owner_connection
from tests.fakes.speech import encoded, silence, tone
from tests.support import Api, Client, member

NAME, EMAIL, PHONE = "Zélia Quintanilha", "zelia@cliente.example", "+5511987654321"
SEAL = Seal("a secret of thirty-two characters")


class Customer:
    """Zélia, her deal, and what there is of her."""

    def __init__(self, api: Api, seller: Client, contact: str, deal: str) -> None:
        self.api = api
        self.seller = seller
        self.contact = contact
        self.deal = deal

    async def call(self, frequency: float = 880.0, title: str = f"Ligação com {NAME}") -> str:
        talk = np.concatenate([tone(3.5), silence(5.0)], axis=1)
        other = np.concatenate([silence(4.5), tone(4.0, frequency)], axis=1)
        audio = io.BytesIO(encoded(np.concatenate([talk, other]), "flac", "flac"))
        people = json.dumps([{"name": NAME, "email": EMAIL, "side": "customer"}])
        form = {"deal_id": self.deal, "title": title, "participants": people}
        answer = await self.seller.post("/v1/calls", files={"audio": ("a.flac", audio)}, data=form)
        assert answer.status_code == 202, answer.text
        await self.settle()
        return str(answer.json()["id"])

    async def settle(self) -> None:
        await Relay(self.api.services.db, REACTIONS, self.api.services).drain()

    async def status(self, call: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.seller.get(f"/v1/calls/{call}")).json()
        return found

    async def consents(self, path: str = "", **body: str) -> None:
        answer = await self.seller.post(f"/v1/contacts/{self.contact}/consents{path}", json=body)
        assert answer.status_code == 201, answer.text
        await self.settle()

    async def asked(self, kind: str, **who: str) -> dict[str, Any]:
        answer = await self.seller.post(f"/v1/privacy/{kind}", json=who)
        assert answer.status_code == 202, answer.text
        await self.settle()
        done: dict[str, Any] = (await self.seller.get(answer.headers["location"])).json()
        assert done["status"] == "done"
        return done

    async def copy(self, **who: str) -> dict[str, bytes]:
        made = await self.asked("exports", **who)
        file = await self.seller.get(f"/v1/privacy/exports/{made['id']}/file")
        assert file.status_code == 200
        with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
async def zelia(api: Api, ana: Client) -> Customer:
    account = (await ana.post("/v1/accounts", json={"name": "Cliente SA"})).json()["id"]
    person = {"account_id": account, "name": NAME, "email": EMAIL, "phone": PHONE, "role": "Diretora"}
    contact = (await ana.post("/v1/contacts", json=person)).json()["id"]
    deal = {"account_id": account, "name": f"CRM para {NAME}", "value_cents": 100, "contact_id": contact}
    return Customer(api, ana, contact, (await ana.post("/v1/deals", json=deal)).json()["id"])


def everywhere(api: Api, *words: str) -> list[tuple[str, str]]:
    """(table, word) for each word that stands anywhere in the database, in any case."""
    with owner_connection(api) as owner:
        return [
            (table, word)
            for table in sorted(Base.metadata.tables)
            for word in words
            if owner.execute(f"SELECT 1 FROM {table} t WHERE t::text ILIKE %s LIMIT 1", (f"%{word}%",)).fetchone()
        ]


# ── consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_without_a_basis_is_stored_and_says_so_until_there_is_one(zelia: Customer) -> None:
    await zelia.consents("/withdraw", purpose="analysis")
    call = await zelia.call()
    stored = await zelia.status(call)
    assert stored["status"] == "stored"
    assert zelia.contact in stored["error"]
    transcript = await zelia.seller.get(f"/v1/calls/{call}/transcript")
    assert (transcript.status_code, transcript.json()["call_status"]) == (404, "stored")
    assert (await zelia.seller.get(f"/v1/calls/{call}/audio")).status_code == 200, "nothing accepted is lost"
    await zelia.consents(purpose="analysis", evidence="said so by e-mail")
    assert (await zelia.status(call))["status"] == "ready"


async def test_what_the_tenant_states_holds_for_who_has_said_nothing(zelia: Customer) -> None:
    bases = {"recording_basis": "contract", "analysis_basis": "consent", "marketing_basis": "consent"}
    assert (await zelia.seller.request("PUT", "/v1/privacy/bases", json=bases)).status_code == 200
    call = await zelia.call()
    assert (await zelia.status(call))["status"] == "stored"
    await zelia.seller.request("PUT", "/v1/privacy/bases", json={**bases, "analysis_basis": "contract"})
    await zelia.settle()
    assert (await zelia.status(call))["status"] == "ready"


async def test_without_a_basis_for_recording_nothing_is_kept(zelia: Customer) -> None:
    await zelia.consents("/withdraw", purpose="recording")
    audio = io.BytesIO(encoded(tone(1.0), "wav", "pcm_s16le"))
    form = {"deal_id": zelia.deal}
    answer = await zelia.seller.post("/v1/calls", files={"audio": ("a.wav", audio)}, data=form)
    assert answer.status_code == 409
    assert await zelia.api.services.objects.keys("") == []


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper()])
async def test_a_call_without_a_deal_is_not_kept_of_who_is_named_on_it_and_said_no(zelia: Customer, email: str) -> None:
    await zelia.consents("/withdraw", purpose="recording")
    assert (await alone(zelia, email=email)).status_code == 409
    assert await zelia.api.services.objects.keys("") == []
    assert (await alone(zelia, email="somebody@else.example")).status_code == 202


async def test_where_consent_is_asked_for_a_call_of_nobody_known_is_not_kept(zelia: Customer) -> None:
    bases = {f"{purpose}_basis": "consent" for purpose in ("recording", "analysis", "marketing")}
    assert (await zelia.seller.request("PUT", "/v1/privacy/bases", json=bases)).status_code == 200
    assert (await alone(zelia)).status_code == 409
    await zelia.consents(purpose="recording", evidence="on the telephone")
    assert (await alone(zelia, email=EMAIL)).status_code == 202


async def test_a_call_of_who_was_erased_is_not_kept_even_where_he_is_only_named(zelia: Customer) -> None:
    await zelia.asked("erasures", contact_id=zelia.contact, reason="asked")
    assert (await alone(zelia, email=EMAIL)).status_code == 409
    assert (await alone(zelia)).status_code == 202


async def alone(zelia: Customer, **who: str) -> httpx2.Response:
    """A call without a deal."""
    audio = io.BytesIO(encoded(tone(1.0), "wav", "pcm_s16le"))
    people = json.dumps([{"name": "Z", "side": "customer", **who}]) if who else "[]"
    return await zelia.seller.post("/v1/calls", files={"audio": ("a.wav", audio)}, data={"participants": people})


async def test_a_withdrawal_counts_from_when_it_was_said(zelia: Customer, clock: VirtualClock) -> None:
    await zelia.consents("/withdraw", purpose="marketing")
    earlier = (clock.now() - timedelta(days=3)).isoformat()
    await zelia.consents(purpose="marketing", evidence="a form of last week", given_at=earlier)
    standing = (await zelia.seller.get(f"/v1/contacts/{zelia.contact}/purposes")).json()
    assert {one["purpose"]: one["allowed"] for one in standing} == {
        "recording": True, "analysis": True, "marketing": False,
    }  # fmt: skip


# ── copies and erasure ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_copy_holds_all_that_is_known_of_a_person(zelia: Customer) -> None:
    call = await zelia.call()
    await zelia.consents(purpose="marketing", evidence="signed at the fair")
    copy = await zelia.copy(contact_id=zelia.contact)
    assert {"contacts.json", "calls.json", "transcripts.json", "consents.json", f"audio/{call}"} <= copy.keys()
    assert json.loads(copy["contacts.json"])[0]["phone"] == PHONE
    assert copy[f"audio/{call}"] == (await zelia.seller.get(f"/v1/calls/{call}/audio")).content


async def test_what_was_erased_is_nowhere_and_the_audit_chain_still_holds(zelia: Customer) -> None:
    api = zelia.api
    call = await zelia.call()
    await zelia.consents(purpose="marketing", evidence=f"{NAME} signed")
    note = {"kind": "note", "direction": "out"}
    await zelia.seller.post(f"/v1/deals/{zelia.deal}/activities", json=note)
    await zelia.seller.patch(f"/v1/deals/{zelia.deal}", json={"name": f"CRM, {NAME.upper()}"})
    await zelia.copy(contact_id=zelia.contact)
    assert await anchor(api.services.db, api.services.objects, SEAL) == 1
    assert everywhere(api, NAME, EMAIL, PHONE) != []

    done = await zelia.asked("erasures", contact_id=zelia.contact, reason=f"{NAME} asked by letter")
    assert done["counts"]["contacts"] == done["counts"]["audio"] == done["counts"]["copies"] == 1
    assert everywhere(api, NAME, "Zélia", "Quintanilha", EMAIL, PHONE) == []
    assert [key for key in await api.services.objects.keys("") if "calls" in key or "exports" in key] == []
    assert (await zelia.status(call))["status"] == "erased"
    for path in ("audio", "transcript", "insights"):
        assert (await zelia.seller.get(f"/v1/calls/{call}/{path}")).status_code == 404
    assert (await zelia.seller.get(f"/v1/deals/{zelia.deal}")).json()["name"] == "CRM, [erased]"
    assert (await verify(api.services.db, api.services.objects, SEAL)).findings == ()

    again = await zelia.copy(email=EMAIL)
    assert set(again) == {"about.json"}
    assert json.loads(again["about.json"])["tables"] == {}


async def test_erasing_one_leaves_the_others_as_they_are(zelia: Customer) -> None:
    seller = zelia.seller
    account = (await seller.post("/v1/accounts", json={"name": "Outra"})).json()["id"]
    other = {"account_id": account, "name": "Zélia Andrade", "email": "z@outra.example"}
    kept = (await seller.post("/v1/contacts", json=other)).json()
    await zelia.call()
    await zelia.asked("erasures", contact_id=zelia.contact, reason="asked")
    assert everywhere(zelia.api, "Zélia Andrade", "z@outra.example") == [
        ("contacts", "Zélia Andrade"), ("contacts", "z@outra.example"),
    ]  # fmt: skip
    assert (await seller.get(f"/v1/contacts/{kept['id']}")).status_code in (200, 404, 405)


async def test_a_seller_who_left_is_forgotten_and_logged_out(api: Api, ana: Client, zelia: Customer) -> None:
    rep = await member(api, ana, "REP", email="bento.figueira@acme.example")
    user = (await rep.get("/v1/me")).json()["id"]
    await zelia.asked("erasures", user_id=user, reason="left the company")
    assert (await rep.get("/v1/me")).status_code == 401
    assert everywhere(api, "bento.figueira") == []
    with owner_connection(api) as owner:
        query = "SELECT count(*) FROM audit_entries WHERE actor_id = %s AND address IS NOT NULL"
        assert owner.execute(query, (UUID(user),)).fetchone() == (0,)
    assert (await verify(api.services.db, api.services.objects, SEAL)).findings == ()


async def test_who_was_erased_and_comes_back_is_asked(zelia: Customer) -> None:
    await zelia.asked("erasures", contact_id=zelia.contact, reason="asked")
    account = (await zelia.seller.post("/v1/accounts", json={"name": "Outra"})).json()["id"]
    back = {"account_id": account, "name": NAME, "email": EMAIL}
    contact = (await zelia.seller.post("/v1/contacts", json=back)).json()["id"]
    standing = (await zelia.seller.get(f"/v1/contacts/{contact}/purposes")).json()
    assert {(one["allowed"], one["erased_before"]) for one in standing} == {(False, True)}


async def test_nobody_erases_himself_and_sellers_erase_nobody(api: Api, ana: Client, zelia: Customer) -> None:
    me = (await ana.get("/v1/me")).json()["id"]
    assert (await ana.post("/v1/privacy/erasures", json={"user_id": me, "reason": "x"})).status_code == 409
    rep = await member(api, ana, "REP")
    for kind in ("erasures", "exports"):
        body = {"contact_id": zelia.contact, **({"reason": "x"} if kind == "erasures" else {})}
        assert (await rep.post(f"/v1/privacy/{kind}", json=body)).status_code == 403


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def logged_in(api: Api) -> Client:
    login = {"email": "ana@example.com", "password": api.PASSWORD}
    return Client(api, (await api.post("/v1/login", json=login)).json()["access_token"])


async def test_what_is_too_old_goes_and_what_is_young_stays(zelia: Customer, clock: VirtualClock) -> None:
    api = zelia.api
    old = await zelia.call()
    clock.advance(timedelta(days=6))
    zelia.seller = await logged_in(api)
    young = await zelia.call(frequency=660.0)
    wanted = {"audio_days": 7, "transcript_days": 7, "draft_days": None, "contact_days": None}
    assert (await zelia.seller.request("PUT", "/v1/privacy/retention", json=wanted)).status_code == 200
    clock.advance(timedelta(days=2))
    zelia.seller = await logged_in(api)

    stores = Stores(api.services.objects, api.services.features)
    assert await retain(api.services.db, stores) == {"audio": 1, "transcripts": 1}
    assert await retain(api.services.db, stores) == {}, "done once"
    for call, there in ((old, 404), (young, 200)):
        for path in ("audio", "transcript"):
            assert (await zelia.seller.get(f"/v1/calls/{call}/{path}")).status_code == there, (path, there)
    actions = [entry["action"] for entry in (await zelia.seller.get("/v1/audit")).json()["items"]]
    assert {"retention.audio", "retention.transcripts"} <= set(actions)
