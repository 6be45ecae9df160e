"""A company that is suspended is out, by every way in, and comes back with nothing lost."""

from __future__ import annotations

import pytest

from core.identity.people import companies
from core.kit.errors import Conflict, NotFound
from tests.core.identity.mailbox import code
from tests.support import Api, Client, new_directory, sign_up


async def test_a_suspended_company_is_out_by_every_way(api: Api) -> None:
    opened = await sign_up(api, "acme")
    ana, other = Client(api, opened["access_token"]), Client(api, (await sign_up(api, "other"))["access_token"])
    key = (await ana.post("/v1/api-keys", json={"name": "k", "scopes": ["can_view_tenant"]})).json()["key"]
    directory = await new_directory(api, ana)
    invited = {"email": "new@acme.example", "roles": ["REP"]}
    assert (await ana.post("/v1/invitations", json=invited)).status_code == 201
    token = await code(api, "new@acme.example")
    assert await companies.suspend(api.services.db, "acme") == 1
    assert (await ana.get("/v1/me")).status_code == 401
    assert (await api.get("/v1/tenant", token=key)).status_code == 401
    assert (await directory.get("/scim/v2/Users")).status_code == 401
    refresh = await api.post("/v1/refresh", json={"refresh_token": opened["refresh_token"]})
    assert refresh.status_code == 401
    login = {"email": "ana@example.com", "password": api.PASSWORD, "tenant": "acme"}
    refused = await api.post("/v1/login", json=login)
    assert (refused.status_code, "suspended" in refused.json()["detail"]) == (403, True)
    accepted = {"token": token, "name": "New", "password": "quiet zebra lamp 42"}
    assert (await api.post("/v1/invitations/accept", json=accepted)).status_code == 403
    assert (await other.get("/v1/me")).status_code == 200, "nobody else is"


async def test_who_is_let_in_again_logs_in_anew(api: Api, ana: Client) -> None:
    await companies.suspend(api.services.db, "acme")
    await companies.resume(api.services.db, "acme")
    assert (await ana.get("/v1/me")).status_code == 401, "the old session does not come back"
    answer = await api.post("/v1/login", json={"email": "ana@example.com", "password": api.PASSWORD})
    again = Client(api, answer.json()["access_token"])
    actions = [one["action"] for one in (await again.get("/v1/audit")).json()["items"]]
    assert actions[:3] == ["session.opened", "tenant.resumed", "tenant.suspended"]


async def test_it_says_what_cannot_be(api: Api, ana: Client) -> None:
    db = api.services.db
    with pytest.raises(NotFound, match="no tenant nobody"):
        await companies.suspend(db, "nobody")
    with pytest.raises(Conflict, match="not suspended"):
        await companies.resume(db, "acme")
    await companies.suspend(db, "acme")
    with pytest.raises(Conflict, match="suspended since"):
        await companies.suspend(db, "acme")
    assert [(one.slug, one.suspended_at is not None) for one in await companies.listed(db)] == [("acme", True)]
