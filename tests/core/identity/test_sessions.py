"""Sessions through their life, and what somebody tries who has got hold of a token."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.identity.sessions import MOST_SESSIONS
from core.kit.clock import VirtualClock
from tests.support import Api, Client, member, sign_up


async def refreshed(api: Api, token: str) -> Any:
    return await api.post("/v1/refresh", json={"refresh_token": token})


async def log_in(api: Api, email: str = "ana@example.com", **headers: str) -> dict[str, Any]:
    body = {"email": email, "password": api.PASSWORD}
    session: dict[str, Any] = (await api.post("/v1/login", json=body, headers=headers)).json()
    return session


async def test_a_refresh_token_carries_the_session_on(api: Api, clock: VirtualClock) -> None:
    session = await sign_up(api, "acme")
    clock.advance(timedelta(seconds=session["expires_in_s"]))
    assert (await api.get("/v1/me", token=session["access_token"])).status_code == 401
    answer = await refreshed(api, session["refresh_token"])
    assert answer.status_code == 200
    again = answer.json()
    assert again["session_id"] == session["session_id"]
    assert again["refresh_token"] != session["refresh_token"]
    assert (await api.get("/v1/me", token=again["access_token"])).status_code == 200


async def test_fifty_parallel_refreshes_have_one_winner_and_log_nobody_out(api: Api) -> None:
    session = await sign_up(api, "acme")
    answers = await asyncio.gather(*(refreshed(api, session["refresh_token"]) for _ in range(50)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 401}
    assert (await api.get("/v1/me", token=won[0].json()["access_token"])).status_code == 200
    assert (await refreshed(api, won[0].json()["refresh_token"])).status_code == 200


async def test_a_replayed_refresh_token_ends_the_whole_family(api: Api, clock: VirtualClock) -> None:
    stolen = await sign_up(api, "acme")
    other = await log_in(api)
    owner = (await refreshed(api, stolen["refresh_token"])).json()
    clock.advance(timedelta(seconds=11))
    assert (await refreshed(api, stolen["refresh_token"])).status_code == 401
    assert (await refreshed(api, owner["refresh_token"])).status_code == 401
    for token in (stolen["access_token"], owner["access_token"]):
        assert (await api.get("/v1/me", token=token)).status_code == 401
    assert (await api.get("/v1/me", token=other["access_token"])).status_code == 200, "another log-in is another family"


async def test_a_session_that_is_not_used_for_long_ends(api: Api, clock: VirtualClock) -> None:
    session = await sign_up(api, "acme")
    clock.advance(timedelta(seconds=api.services.settings.auth.session_idle_s))
    assert (await refreshed(api, session["refresh_token"])).status_code == 401


async def test_a_session_ends_at_last_however_much_it_is_used(api: Api, clock: VirtualClock) -> None:
    session, auth = await sign_up(api, "acme"), api.services.settings.auth
    for _ in range(auth.session_s // (auth.session_idle_s - 1)):
        clock.advance(timedelta(seconds=auth.session_idle_s - 1))
        answer = await refreshed(api, session["refresh_token"])
        assert answer.status_code == 200
        session = answer.json()
    clock.advance(timedelta(seconds=auth.session_idle_s - 1))
    assert (await refreshed(api, session["refresh_token"])).status_code == 401


async def test_of_too_many_sessions_the_one_unused_longest_ends(api: Api, clock: VirtualClock) -> None:
    first = await sign_up(api, "acme")
    later = []
    for _ in range(MOST_SESSIONS):
        clock.advance(timedelta(seconds=1))
        later.append(await log_in(api))
    assert (await api.get("/v1/me", token=first["access_token"])).status_code == 401
    assert (await api.get("/v1/me", token=later[0]["access_token"])).status_code == 200


async def test_what_is_sensitive_asks_for_the_person_again(api: Api, ana: Client, clock: VirtualClock) -> None:
    other = await log_in(api)
    clock.advance(timedelta(seconds=api.services.settings.auth.recent_s + 1))
    url = f"/v1/me/sessions/{other['session_id']}"
    refused = await ana.request("delete", url)
    assert (refused.status_code, refused.json()["errorType"]) == (403, "ReauthenticationNeeded")
    assert (await ana.post("/v1/me/reauthenticate", json={"password": "wrong"})).status_code == 403
    assert (await ana.request("delete", url)).status_code == 403
    assert (await ana.post("/v1/me/reauthenticate", json={"password": Api.PASSWORD})).status_code == 204
    assert (await ana.request("delete", url)).status_code == 204


async def test_an_administrator_logs_somebody_out(api: Api, ana: Client) -> None:
    rep = await member(api, ana, "REP")
    rep_id = (await rep.get("/v1/me")).json()["id"]
    assert (await rep.post(f"/v1/users/{rep_id}/end-sessions")).status_code == 403
    assert (await ana.post(f"/v1/users/{rep_id}/end-sessions")).status_code == 204
    assert (await rep.get("/v1/me")).status_code == 401
    assert (await ana.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "ser_", "ser_!!!!", "ser_" + "A" * 86, "sek_" + "A" * 86])
async def test_what_is_no_refresh_token_is_refused(api: Api, token: str) -> None:
    await sign_up(api, "acme")
    assert (await refreshed(api, token)).status_code in (401, 422)


async def test_a_refresh_token_with_another_tenant_in_it_is_refused(api: Api) -> None:
    import base64
    from uuid import UUID

    one, two = await sign_up(api, "one"), await sign_up(api, "two")
    raw = base64.urlsafe_b64decode(one["refresh_token"].removeprefix("ser_"))
    forged = "ser_" + base64.urlsafe_b64encode(UUID(two["tenant_id"]).bytes + raw[16:]).decode()
    assert (await refreshed(api, forged)).status_code == 401
    assert (await refreshed(api, one["refresh_token"])).status_code == 200


async def test_log_out_ends_this_session_at_once_and_no_other(api: Api) -> None:
    first = await sign_up(api, "acme")
    second = await log_in(api)
    assert (await api.post("/v1/logout", token=first["access_token"])).status_code == 204
    assert (await api.get("/v1/me", token=first["access_token"])).status_code == 401
    assert (await refreshed(api, first["refresh_token"])).status_code == 401
    assert (await api.get("/v1/me", token=second["access_token"])).status_code == 200


async def test_log_out_everywhere_ends_them_all(api: Api, ana: Client) -> None:
    others = [await log_in(api) for _ in range(3)]
    rep = await member(api, ana, "REP")
    assert (await ana.post("/v1/logout-everywhere")).status_code == 204
    for session in others:
        assert (await api.get("/v1/me", token=session["access_token"])).status_code == 401
        assert (await refreshed(api, session["refresh_token"])).status_code == 401
    assert (await rep.get("/v1/me")).status_code == 200, "somebody else's session"


async def test_the_list_tells_the_sessions_apart_and_ends_one(api: Api, ana: Client) -> None:
    phone = await log_in(api, **{"User-Agent": "Phone"})
    rows = (await ana.get("/v1/me/sessions")).json()
    assert len(rows) == 2
    assert [row["current"] for row in rows if row["user_agent"] == "Phone"] == [False]
    assert sum(row["current"] for row in rows) == 1
    assert (await ana.request("delete", f"/v1/me/sessions/{phone['session_id']}")).status_code == 204
    assert (await api.get("/v1/me", token=phone["access_token"])).status_code == 401
    assert (await ana.request("delete", f"/v1/me/sessions/{phone['session_id']}")).status_code == 404


async def test_nobody_ends_the_session_of_another(api: Api, ana: Client) -> None:
    rep = await member(api, ana, "REP")
    mine = (await ana.get("/v1/me/sessions")).json()[0]["id"]
    assert (await rep.request("delete", f"/v1/me/sessions/{mine}")).status_code == 404
    assert (await ana.get("/v1/me")).status_code == 200
