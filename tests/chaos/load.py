"""People at work: they ask again until they are answered, and write down what they were promised."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.e2e.house import PASSWORD, piece

_AGAIN_S = 0.3
_MOST_THINKING_S = 3.0
_STAGES = ("qualification", "discovery", "proposal", "negotiation")
_NAMES = UUID("6b1f7a52-54b0-4a0e-8f5c-5d0c7f7d9d11")
EVERY_CHANGE = {
    "name": "Every change", "on": "deal_changed", "condition": None,
    "actions": [{"kind": "notify", "text": "{deal}"}], "at_most": {"times": 1000, "days": 1, "per": "deal"},
}  # fmt: skip
NEGOTIATION = {
    "name": "Negotiation begins", "on": "deal_changed",
    "condition": {"and": [
        {"in": ["stage", {"var": "event.fields"}]}, {"==": [{"var": "deal.stage"}, "negotiation"]},
    ]},
    "actions": [{"kind": "send_email", "template": "re_engage"}],
}  # fmt: skip


@dataclass(slots=True)
class PromisedDeal:
    """What was answered with success: values in the order in which they were set."""

    id: str
    stages: list[str]
    values_cents: list[int]
    answers: int = 0
    calls: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Company:
    """A tenant, its one person, and all that it was promised. `heard`: numbers of notifications, as they came."""

    name: str
    tenant_id: str
    user_id: str
    token: str
    deals: list[PromisedDeal] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    requests: int = 0
    repeated: int = 0

    def changes(self) -> int:
        return sum(len(deal.stages) + len(deal.values_cents) - 2 for deal in self.deals)


class Person:
    """Who works at one company. Every request has a key of its own and is sent until it is answered."""

    def __init__(self, http: httpx2.AsyncClient, company: Company, chance: random.Random) -> None:
        self._http = http
        self._chance = chance
        self.company = company

    async def ask(self, method: str, path: str, *, accept: tuple[int, ...] = (), **options: Any) -> Any:
        """The answer's body; None for an `accept`ed refusal. Raises where it is refused for good."""
        self.company.requests += 1
        headers = {"Authorization": f"Bearer {self.company.token}"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid5(_NAMES, f"{self.company.name}:{self.company.requests}"))
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                answer = await self._http.request(method, path, headers=headers, **options)
                if answer.status_code < 400:
                    return answer.json()
                if answer.status_code in accept:
                    return None
                # 408, 429 and what is wrong on the server's side pass; 404 is a proxy that has no replica just now.
                again = answer.status_code >= 500 or answer.status_code in (408, 429)
                assert again or "problem+json" not in answer.headers.get("content-type", ""), answer.text
            self.company.repeated += 1
            await asyncio.sleep(_AGAIN_S)

    async def prepare(self) -> None:
        for rule in (EVERY_CHANGE, NEGOTIATION):
            await self.ask("POST", "/v1/automation/rules", json=rule)

    async def sell(self, number: int, recording: Callable[[], bytes]) -> None:
        """The life of one deal: opened, revalued, moved on; some customers answer, some calls are recorded."""
        name = f"Deal {number}"
        account = await self.ask("POST", "/v1/accounts", json={"name": name})
        address = f"d{number}@{self.company.name}.example"
        customer = {"account_id": account["id"], "name": "Daniel Reed", "email": address}
        contact = await self.ask("POST", "/v1/contacts", json=customer)
        value = 10_000_00
        body = {
            "account_id": account["id"], "contact_id": contact["id"], "owner_id": self.company.user_id, "name": name,
            "value_cents": value, "stage": "prospecting",
        }  # fmt: skip
        deal = await self.ask("POST", "/v1/deals", json=body)
        known = PromisedDeal(deal["id"], ["prospecting"], [value])
        self.company.deals.append(known)
        path = f"/v1/deals/{known.id}"
        if number % 4 == 0:
            await self.ask(
                "POST", f"{path}/activities",
                json={"kind": "email", "direction": "in", "at": "2026-01-05T10:00:00Z"},
            )  # fmt: skip
            known.answers += 1
        if number % 5 == 1:
            call = await self.ask(
                "POST", "/v1/calls", files={"audio": ("a.wav", recording())}, data={"deal_id": known.id}
            )
            known.calls.append(call["id"])
        for stage in _STAGES[: self._chance.randint(1, len(_STAGES))]:
            value += self._chance.randint(1, 99) * 100
            await self.ask("PATCH", path, json={"value_cents": value})
            known.values_cents.append(value)
            await self.ask("PATCH", path, json={"stage": stage})
            known.stages.append(stage)
            await asyncio.sleep(self._chance.uniform(0, _MOST_THINKING_S))  # a person thinks

    async def approve(self) -> int:
        """All e-mails that wait for a yes; returns how many there were."""
        waiting = (await self.ask("GET", "/v1/tasks?status=waiting&limit=100"))["items"]
        for task in waiting:
            await self.ask("POST", f"/v1/tasks/{task['id']}/approve", accept=(409,))
        return len(waiting)

    async def listen(self, url: str) -> None:
        """Hear what is told, and go on after each break behind what was heard last. Until cancelled."""
        headers = {"Authorization": f"Bearer {self.company.token}"}
        while True:
            after = self.company.heard[-1] if self.company.heard else 0
            with contextlib.suppress(WebSocketException, OSError, TimeoutError):
                async with connect(
                    f"{url}/v1/notifications/stream?after={after}", additional_headers=headers
                ) as socket:
                    async for message in socket:
                        told = json.loads(message)
                        if "seq" in told and told.get("type") != "ready":
                            self.company.heard.append(told["seq"])
            await asyncio.sleep(_AGAIN_S)


class Load:
    """Companies with one person each, working until told to stop."""

    def __init__(self, url: str, recordings: Path, *, companies: int, seed: int) -> None:
        self._url = url
        self._recordings = recordings
        self._count = companies
        self._seed = seed
        self._over = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._listening: list[asyncio.Task[None]] = []
        self._http = httpx2.AsyncClient(base_url=url, timeout=60, limits=httpx2.Limits(max_connections=50))
        self.people: list[Person] = []

    async def begin(self) -> None:
        for number in range(self._count):
            self.people.append(await self._hire(number))
        for number, person in enumerate(self.people):
            self._run(self._work(person, number), self._running)
            self._run(self._decide(person), self._running)
            self._run(person.listen(self._url.replace("http:", "ws:")), self._listening)

    def _run(self, work: Coroutine[Any, Any, None], among: list[asyncio.Task[None]]) -> None:
        among.append(asyncio.create_task(work))

    def raise_what_broke(self) -> None:
        """Where somebody's work has ended who should go on."""
        for task in (*self._running, *self._listening):
            if task.done():
                task.result()

    async def stop(self) -> None:
        """Let everybody finish the deal in hand; they go on to listen."""
        self._over.set()
        await asyncio.gather(*self._running)

    async def close(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await self._http.aclose()

    async def _hire(self, number: int) -> Person:
        name = f"company-{number}"
        body = {
            "company": name, "slug": name, "name": "Emma Carter", "email": f"emma@{name}.example",
            "password": PASSWORD, "locale": "en-US", "currency": "USD",
        }  # fmt: skip
        answer = await self._http.post("/v1/signup", json=body)
        assert answer.status_code == 201, answer.text
        session = answer.json()
        company = Company(name, session["tenant_id"], "", session["access_token"])
        person = Person(self._http, company, random.Random(f"{self._seed}:{number}"))
        company.user_id = (await person.ask("GET", "/v1/me"))["id"]
        await person.prepare()
        return person

    async def _work(self, person: Person, number: int) -> None:
        deals = 0
        while not self._over.is_set():
            deals += 1
            await person.sell(deals, functools.partial(self._recording, number, deals))

    async def _decide(self, person: Person) -> None:
        while not self._over.is_set():
            await person.approve()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), 2.0)

    def _recording(self, number: int, deals: int) -> bytes:
        """Six seconds that nobody else uploads: the same audio twice would be one call."""
        return piece(self._recordings / "call_en.opus", 5.0 + number * 0.37 + deals * 0.11, 6.0)
