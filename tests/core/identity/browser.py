"""Somebody's browser at the API under test, and the provider that an administrator adds."""

from __future__ import annotations

from typing import Any

import httpx2
from sqlalchemy import text

from tests.fakes.issuer import FakeIssuer
from tests.support import Api, Client


async def add_provider(admin: Client, issuer: str, **fields: Any) -> dict[str, Any]:
    body = {
        "slug": "idp", "issuer": issuer, "client_id": "salesedge", "client_secret": "a secret of theirs",
        "allowed_domains": ["acme.example"], **fields,
    }  # fmt: skip
    answer = await admin.post("/v1/sso/providers", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class Browser:
    """Somebody's browser: keeps the one cookie."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.cookie = ""

    async def start(self, path: str = "/v1/sso/acme/idp/start") -> str:
        answer = await self.api.get(path)
        assert answer.status_code == 302, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        location: str = answer.headers["location"]
        return location

    async def come_back(self, provider_id: str, **query: str) -> httpx2.Response:
        self.api.client.cookies.clear()
        return await self.api.get(
            f"/v1/sso/callback/{provider_id}", params=query, headers={"Cookie": self.cookie} if self.cookie else {}
        )


async def sign_in(api: Api, issuer: FakeIssuer, provider_id: str) -> httpx2.Response:
    browser = Browser(api)
    code, state = issuer.authorize(await browser.start())
    return await browser.come_back(provider_id, code=code, state=state)


async def count(api: Api, table: str) -> int:
    async with api.services.db.engine.connect() as connection:
        await connection.execute(text("SET ROLE salesedge_system"))
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())
