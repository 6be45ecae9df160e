"""Who belongs to a tenant and what he may do there, and what somebody tries who wants more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from core.kit.clock import VirtualClock
from tests.core.identity.mailbox import code, mails
from tests.support import Api, Client, member, sign_up

BIA = "bia@acme.example"
PASSWORD = "quiet zebra lamp 42"


async def invited(client: Client, email: str = BIA, **fields: Any) -> httpx2.Response:
    return await client.post("/v1/invitations", json={"email": email, "roles": ["REP"], **fields})


async def accept(api: Api, token: str, **fields: Any) -> httpx2.Response:
    return await api.post(
        "/v1/invitations/accept", json={"token": token, "name": "Bia", "password": PASSWORD, **fields}
    )


async def id_of(client: Client) -> str:
    return str((await client.get("/v1/me")).json()["id"])


async def change(client: Client, user_id: str, **fields: Any) -> httpx2.Response:
    return await client.patch(f"/v1/users/{user_id}", json=fields)


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_invited_comes_in_as_what_he_was_invited_for(api: Api, ana: Client) -> None:
    made = await invited(ana, team="North", region="Sul")
    assert (made.status_code, made.json()["status"]) == (201, "pending")
    answer = await accept(api, await code(api, BIA))
    assert answer.status_code == 201, answer.text
    me = (await api.get("/v1/me", token=answer.json()["access_token"])).json()
    assert (me["email"], me["roles"], me["team"], me["region"]) == (BIA, ["REP"], "North", "Sul")
    assert (await ana.get("/v1/invitations")).json()["items"][0]["status"] == "accepted"
    (mail,) = await mails(api, BIA)
    assert mail.subject == "Ana Martins convida você para Acme no SalesEdge"


async def test_an_invitation_is_taken_once_by_twenty_at_a_time(api: Api, ana: Client) -> None:
    await invited(ana)
    token = await code(api, BIA)
    answers = await asyncio.gather(*(accept(api, token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [404] * 19


async def test_an_invitation_ends_by_time_by_revocation_and_by_the_next_one(
    api: Api, ana: Client, clock: VirtualClock
) -> None:
    made = (await invited(ana)).json()
    first = await code(api, BIA)
    assert (await ana.post(f"/v1/invitations/{made['id']}/send")).status_code == 200
    second = await code(api, BIA)
    assert (await accept(api, first)).status_code == 404
    clock.advance(timedelta(days=7))
    assert (await accept(api, second)).status_code == 404
    login = await api.post("/v1/login", json={"email": "ana@example.com", "password": api.PASSWORD})
    ana = Client(api, login.json()["access_token"])
    assert (await ana.post(f"/v1/invitations/{made['id']}/send")).json()["status"] == "pending"
    third = await code(api, BIA)
    assert (await ana.request("DELETE", f"/v1/invitations/{made['id']}")).status_code == 204
    assert (await accept(api, third)).status_code == 404
    assert (await ana.post(f"/v1/invitations/{made['id']}/send")).status_code == 409
    assert (await invited(ana)).status_code == 201, "and may be invited again"


async def test_a_forged_invitation_is_none(api: Api, ana: Client) -> None:
    await invited(ana)
    token = await code(api, BIA)
    flipped = token[:60] + ("A" if token[60] != "A" else "B") + token[61:]
    for forged in (flipped, token[:-4], "sei_", "sep_" + token[4:], "x"):
        assert (await accept(api, forged)).status_code == 404


async def test_nobody_invites_above_himself(api: Api, ana: Client) -> None:
    manager = await member(api, ana, "MANAGER")
    assert (await invited(manager, roles=["ADMIN"])).status_code == 403
    assert (await invited(manager, roles=["EMPEROR"])).status_code == 422
    assert (await invited(manager, roles=["LEADER"])).status_code == 201
    rep = await member(api, ana, "REP")
    assert (await invited(rep, "other@acme.example")).status_code == 403


async def test_an_address_is_invited_once_at_a_time(api: Api, ana: Client) -> None:
    answers = await asyncio.gather(*(invited(ana, email) for email in (BIA, BIA.upper(), BIA)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    await accept(api, await code(api, (await ana.get("/v1/invitations")).json()["items"][0]["email"]))
    assert (await invited(ana)).status_code == 409


async def test_a_company_name_with_line_breaks_ends_no_header(api: Api) -> None:
    body = {**api.company("evil", "eve@evil.example"), "company": "Evil\r\nBcc: all@victim.example"}
    eve = Client(api, (await api.post("/v1/signup", json=body)).json()["access_token"])
    await invited(eve)
    (mail,) = await mails(api, BIA)
    assert "\n" not in mail.subject


async def test_no_code_is_stored_or_logged(api: Api, ana: Client) -> None:
    await invited(ana)
    await api.post("/v1/password/forgot", json={"email": "ana@example.com"})
    tokens = [await code(api, BIA), await code(api, "ana@example.com")]
    async with api.services.db.tenant(api.services.tokens.check(ana.token).tenant_id) as tx:
        for table in ("invitations", "events", "deliveries", "audit_entries", "users"):
            rows = (await tx.session.execute(text(f"SELECT t::text FROM {table} t"))).scalars().all()
            assert not [row for row in rows for token in tokens if token[40:] in row], table


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_suspended_user_is_out_at_once_and_stays_out_after(api: Api, ana: Client) -> None:
    rep = await member(api, ana, "REP", email=BIA)
    user = await id_of(rep)
    assert (await change(ana, user, is_active=False)).json()["is_active"] is False
    assert (await rep.get("/v1/me")).status_code == 401
    body = {"email": BIA, "password": api.PASSWORD}
    assert (await api.post("/v1/login", json=body)).status_code == 401
    assert (await change(ana, user, is_active=True)).status_code == 200
    assert (await rep.get("/v1/me")).status_code == 401, "the old session does not come back"
    assert (await api.post("/v1/login", json=body)).status_code == 200


async def test_a_role_that_was_taken_away_counts_at_once(api: Api, ana: Client) -> None:
    manager = await member(api, ana, "MANAGER")
    assert (await manager.get("/v1/invitations")).status_code == 200
    assert (await change(ana, await id_of(manager), roles=["REP"])).status_code == 200
    assert (await manager.get("/v1/invitations")).status_code == 403


async def test_a_team_that_changed_counts_at_once(api: Api, ana: Client) -> None:
    leader = await member(api, ana, "LEADER", team="North")
    rep = await member(api, ana, "REP", team="South")
    account = (await rep.post("/v1/accounts", json={"name": "A"})).json()
    await rep.post("/v1/deals", json={"account_id": account["id"], "name": "D", "value_cents": 1})
    assert (await leader.get("/v1/deals")).json()["items"] == []
    await change(ana, await id_of(leader), team="South")
    assert len((await leader.get("/v1/deals")).json()["items"]) == 1


async def test_the_last_administrator_stays(api: Api, ana: Client) -> None:
    user = await id_of(ana)
    for wanted in ({"is_active": False}, {"roles": ["REP"]}):
        answer = await change(ana, user, **wanted)
        assert (answer.status_code, answer.json()["detail"]) == (
            409, "This is the last administrator. Make somebody else one first.",
        )  # fmt: skip
    assert (await change(ana, user, roles=["ADMIN", "REP"])).status_code == 200


@pytest.mark.parametrize("attempt", range(3))
async def test_two_administrators_cannot_suspend_each_other_at_once(api: Api, ana: Client, attempt: int) -> None:
    bia = await member(api, ana, "ADMIN")
    ids = [await id_of(ana), await id_of(bia)]
    answers = await asyncio.gather(change(ana, ids[1], is_active=False), change(bia, ids[0], is_active=False))
    assert 200 in {answer.status_code for answer in answers}
    working = [client for client in (ana, bia) if (await client.get("/v1/me")).status_code == 200]
    assert len(working) == 1


async def test_nobody_raises_himself_or_lowers_who_stands_above(api: Api, ana: Client) -> None:
    assert (await change(ana, await id_of(ana), roles=["SUPER_ADMIN"])).status_code == 403
    above = await member(api, ana, "SUPER_ADMIN")
    assert (await change(ana, await id_of(above), is_active=False)).status_code == 403
    manager = await member(api, ana, "MANAGER")
    assert (await change(manager, await id_of(manager), roles=["ADMIN"])).status_code == 403


async def test_what_was_changed_is_in_the_audit(api: Api, ana: Client) -> None:
    rep = await id_of(await member(api, ana, "REP"))
    await change(ana, rep, roles=["SDR"], name="Somebody Else")
    entry = (await ana.get("/v1/audit")).json()["items"][0]
    assert (entry["action"], entry["subject"]) == ("user.changed", f"user:{rep}")
    assert (entry["before"]["roles"], entry["after"]["roles"]) == (["REP"], ["SDR"])
    assert "Somebody Else" not in str(entry)


async def test_a_stranger_is_no_user_here(api: Api, ana: Client) -> None:
    eve = Client(api, (await sign_up(api, "evil", "eve@evil.example"))["access_token"])
    assert (await change(eve, await id_of(ana), is_active=False)).status_code == 404
    assert (await eve.get(f"/v1/users/{await id_of(ana)}")).status_code == 404
