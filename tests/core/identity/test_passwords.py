"""Passwords that are weak, forgotten, changed, and what somebody tries with the code that sets a new one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import text

from core.kit.clock import VirtualClock
from tests.core.identity.mailbox import code, mails
from tests.support import Api, Client, sign_up

ANA = "ana@example.com"
NEW = "quiet zebra lamp 42"


async def forgot(api: Api, email: str = ANA) -> httpx2.Response:
    return await api.post("/v1/password/forgot", json={"email": email})


async def reset(api: Api, token: str, password: str = NEW) -> int:
    return (await api.post("/v1/password/reset", json={"token": token, "password": password})).status_code


async def logs_in(api: Api, password: str, email: str = ANA) -> bool:
    return (await api.post("/v1/login", json={"email": email, "password": password})).status_code == 200


async def test_a_forgotten_password_is_set_anew_and_ends_every_session(api: Api, ana: Client) -> None:
    assert (await forgot(api)).status_code == 202
    assert await reset(api, await code(api, ANA)) == 204
    assert (await ana.get("/v1/me")).status_code == 401
    assert (await logs_in(api, api.PASSWORD), await logs_in(api, NEW)) == (False, True)
    assert [mail.subject for mail in await mails(api, ANA)][:2] == [
        "Sua nova senha do SalesEdge", "Sua senha do SalesEdge foi alterada",
    ]  # fmt: skip


async def test_a_code_is_good_once_for_half_an_hour_and_until_the_password_changes(
    api: Api, ana: Client, clock: VirtualClock
) -> None:
    await forgot(api)
    token = await code(api, ANA)
    answers = await asyncio.gather(*(reset(api, token) for _ in range(8)))
    assert sorted(answers) == [204] + [404] * 7
    await forgot(api)
    await forgot(api)
    first, second = [mail.text.split("\n\n")[2].strip() for mail in await mails(api, ANA) if "sep_" in mail.text][-2:]
    assert await reset(api, second, "brave otter cloud 7") == 204
    assert await reset(api, first) == 404, "an older code for the password that was replaced"
    await forgot(api)
    late = await code(api, ANA)
    clock.advance(timedelta(minutes=30))
    assert await reset(api, late) == 404


async def test_a_forged_code_sets_nothing(api: Api, ana: Client) -> None:
    await sign_up(api, "rival", "eve@example.com")
    await forgot(api, "eve@example.com")
    token = await code(api, "eve@example.com")
    longer = token[:48] + ("A" if token[48] != "A" else "B") + token[49:]
    for forged in (longer, token[:-4], "sep_", "sei_" + token[4:]):
        assert await reset(api, forged) == 404
    assert await logs_in(api, api.PASSWORD)


async def test_an_address_that_nobody_has_gets_the_same_answer_and_no_mail(api: Api, ana: Client) -> None:
    known, unknown = await forgot(api), await forgot(api, "nobody@example.com")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (202, {"status": "accepted"})
    assert await mails(api, "nobody@example.com") == []


async def test_a_suspended_user_resets_nothing(api: Api, ana: Client, clock: VirtualClock) -> None:
    await forgot(api)
    token = await code(api, ANA)
    async with api.services.db.tenant(api.services.tokens.check(ana.token).tenant_id) as tx:
        await tx.session.execute(text("UPDATE users SET is_active = false"))
    assert await reset(api, token) == 404
    await forgot(api)
    assert len(await mails(api, ANA)) == 1


async def test_changing_the_password_needs_the_old_one_and_ends_the_other_sessions(api: Api, ana: Client) -> None:
    login = await api.post("/v1/login", json={"email": ANA, "password": api.PASSWORD})
    other = Client(api, login.json()["access_token"])
    body = {"old_password": "not this one", "password": NEW}
    assert (await ana.post("/v1/me/password", json=body)).status_code == 403
    assert (await ana.post("/v1/me/password", json={**body, "old_password": api.PASSWORD})).status_code == 204
    assert ((await ana.get("/v1/me")).status_code, (await other.get("/v1/me")).status_code) == (200, 401)
    assert await logs_in(api, NEW)


@pytest.mark.parametrize("weak", ["password1234", "aaaaaaaaaaaa", "qwertyuiop12", "horizonte2024", "martins2024"])
async def test_a_password_that_is_guessed_first_is_refused(api: Api, weak: str) -> None:
    body = {**api.company("horizonte"), "company": "Horizonte", "password": weak}
    answer = await api.post("/v1/signup", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.password"


async def test_a_passphrase_of_any_letters_is_taken(api: Api) -> None:
    for number, good in enumerate(
        ("três tigres trôpegos à noite", "пароль из четырёх слов", "x9$kQ!v2mZ", "w" + "ab7 " * 45)
    ):
        body = {**api.company(f"t{number}", f"a{number}@example.com"), "password": good}
        assert (await api.post("/v1/signup", json=body)).status_code == 201, good
        assert await logs_in(api, good, f"a{number}@example.com")
