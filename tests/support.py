"""A small client for the API under test."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import httpx2
from starlette.types import ASGIApp

from core.bootstrap import Services
from core.kit.ids import new_id
from core.kit.security import hash_password
from core.tenants import repository as tenants
from core.tenants.model import User
from tests.sockets import first_answer


class Api:
    """The application in this process, asked as a client asks it."""

    PASSWORD: ClassVar[str] = "correct horse battery"

    def __init__(self, client: httpx2.AsyncClient, services: Services) -> None:
        self.client = client
        self.services = services

    @property
    def app(self) -> ASGIApp:
        transport = self.client._transport
        assert isinstance(transport, httpx2.ASGITransport)
        return transport.app

    def company(self, slug: str, email: str = "ana@example.com") -> dict[str, Any]:
        return {"company": slug.title(), "slug": slug, "name": "Ana Martins", "email": email, "password": self.PASSWORD}

    async def request(self, method: str, url: str, *, token: str | None = None, **options: Any) -> httpx2.Response:
        if method == "WEBSOCKET":
            return await first_answer(self.app, url, token=token, message=options.get("json"))
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return await self.client.request(method.upper(), url, headers=headers, **options)

    async def get(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("get", url, **options)

    async def post(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("post", url, **options)


class Client:
    """The same with somebody's token. `directory`: the company's own, where it provisions people."""

    directory: Client | None = None

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self.token = token

    async def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        return await self._api.request(method, url, token=self.token, **options)

    async def get(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("get", url, **options)

    async def post(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("post", url, **options)

    async def patch(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("patch", url, **options)


async def sign_up(api: Api, slug: str, email: str = "ana@example.com") -> dict[str, Any]:
    answer = await api.post("/v1/signup", json=api.company(slug, email))
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def new_directory(api: Api, admin: Client) -> Client:
    """What the company's identity provider comes as."""
    made = await admin.post("/v1/scim/tokens", json={"name": "Directory"})
    assert made.status_code == 201, made.text
    return Client(api, made.json()["token"])


async def new_deal(client: Client, **fields: Any) -> dict[str, Any]:
    account = await client.post("/v1/accounts", json={"name": "Horizonte Logística"})
    assert account.status_code == 201, account.text
    body = {"account_id": account.json()["id"], "name": "CRM", "value_cents": 50_000_00, **fields}
    answer = await client.post("/v1/deals", json=body)
    assert answer.status_code == 201, answer.text
    deal: dict[str, Any] = answer.json()
    return deal


async def member(api: Api, admin: Client, *roles: str, email: str = "", team: str | None = None) -> Client:
    """Another user of the administrator's tenant, logged in."""
    me = (await admin.get("/v1/me")).json()
    user_id = new_id()
    address = email or f"{user_id}@example.com"
    async with api.services.db.tenant(UUID(me["tenant_id"])) as tx:
        user = User(
            id=user_id, tenant_id=tx.tenant_id, email=address, name=f"A {roles[0].lower()}", roles=list(roles),
            team=team, password_hash=await hash_password(Api.PASSWORD), created_at=tx.clock.now(),
        )  # fmt: skip
        await tenants.add(tx, user)
    slug = (await admin.get("/v1/tenant")).json()["slug"]
    answer = await api.post("/v1/login", json={"email": address, "password": Api.PASSWORD, "tenant": slug})
    assert answer.status_code == 200, answer.text
    return Client(api, answer.json()["access_token"])
