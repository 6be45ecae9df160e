"""What nobody read in time, by mail, Slack and Web Push: to real servers on this machine."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.flows import REACTIONS
from core.kit import outgoing
from core.kit.clock import VirtualClock
from core.kit.errors import Unavailable
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.relay import Relay
from core.kit.timers import Ticker
from core.notifications import repository
from core.notifications.keys import push_key
from core.notifications.model import PushSubscription
from core.notifications.ways import HttpWays, Message
from tests.core.notifications.test_stream import say
from tests.fakes.engines import FakeMailer
from tests.support import Api, Client, new_deal

MESSAGE = Message(new_id(), "A follow-up waits", ("For <!channel> & Co", "second"))


@dataclass
class Service:
    """A service of another house, on loopback: answers with `status` and keeps what it got."""

    status: int = 200
    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        writer.write(f"HTTP/1.1 {self.status} OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    there = Service()
    server = await asyncio.start_server(there.take, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    async with server:
        yield there


def ways(*, loopback: bool = True) -> HttpWays:
    return HttpWays(FakeMailer(), outgoing.client(loopback=loopback), push_key("s" * 32), "https://sales.example")


class Browser:
    """The other end of Web Push: it holds the private key."""

    def __init__(self, endpoint: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"0123456789abcdef"
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.subscription = PushSubscription(
            id=new_id(), endpoint=endpoint, p256dh=text(point), auth=text(self.auth), user_id=new_id()
        )

    def read(self, body: bytes) -> Any:
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"))


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_push_is_read_by_its_browser_alone_and_signed_by_us(service: Service) -> None:
    browser = Browser(f"http://127.0.0.1:{service.port}/push/1")
    ours = ways()
    assert await ours.push(browser.subscription, MESSAGE)
    [(headers, body)] = service.got
    assert browser.read(body) == {"title": MESSAGE.subject, "body": "For <!channel> & Co\nsecond"}
    assert MESSAGE.subject.encode() not in body
    token, key = headers["authorization"].removeprefix("vapid t=").split(",k=")
    assert key.rstrip("=") == ours.public_key
    public = push_key("s" * 32).public_key
    claims = jwt.decode(token, public, ["ES256"], audience=f"http://127.0.0.1:{service.port}")
    assert claims["sub"] == "https://sales.example"


@pytest.mark.parametrize(("status", "there"), [(201, True), (410, False), (404, False)])
async def test_a_browser_that_is_gone_is_known_as_gone(service: Service, status: int, there: bool) -> None:
    service.status = status
    assert await ways().push(Browser(f"http://127.0.0.1:{service.port}/p").subscription, MESSAGE) is there


async def test_a_busy_service_is_asked_again_later(service: Service) -> None:
    service.status = 503
    with pytest.raises(Unavailable):
        await ways().slack(f"http://127.0.0.1:{service.port}/hook", MESSAGE)


async def test_slack_shows_what_was_said_and_obeys_nothing_in_it(service: Service) -> None:
    await ways().slack(f"http://127.0.0.1:{service.port}/hook", MESSAGE)
    [(_, body)] = service.got
    assert json.loads(body)["text"] == "*A follow-up waits*\n• For &lt;!channel&gt; &amp; Co\n• second"


async def test_nothing_goes_to_a_private_address(service: Service) -> None:
    guarded = ways(loopback=False)
    await guarded.slack(f"http://127.0.0.1:{service.port}/hook", MESSAGE)
    assert not await guarded.push(Browser(f"http://127.0.0.1:{service.port}/p").subscription, MESSAGE)
    assert service.got == []


# ── the whole way, on virtual time ───────────────────────────────────────────────────────────────────────────────────


async def pass_time(api: Api, clock: VirtualClock, by: timedelta) -> None:
    clock.advance(by)
    await Ticker(api.services.db).fire_due()
    await Relay(api.services.db, REACTIONS, api.services).drain()


def mails(api: Api) -> list[Any]:
    mailer = api.services.post.mailer
    assert isinstance(mailer, FakeMailer)
    return mailer.sent


async def wants(client: Client, **wishes: Any) -> None:
    answer = await client.request("put", "/v1/notifications/settings", json=wishes)
    assert answer.status_code == 200, answer.text


async def test_what_was_not_read_is_mailed_once_all_in_one(api: Api, ana: Client, clock: VirtualClock) -> None:
    await say(api, ana, "one")
    await say(api, ana, "two")
    await pass_time(api, clock, timedelta(minutes=9))
    assert mails(api) == []
    await pass_time(api, clock, timedelta(minutes=1))
    [mail] = mails(api)
    assert mail.to == "ana@example.com"
    assert mail.text.splitlines()[:2] == ["one", "two"]
    await pass_time(api, clock, timedelta(days=1))
    assert len(mails(api)) == 1


async def test_what_was_read_is_not_mailed(api: Api, ana: Client, clock: VirtualClock) -> None:
    await say(api, ana, "one")
    [row] = (await ana.get("/v1/notifications")).json()["items"]
    await ana.post("/v1/notifications/read", json={"ids": [row["id"]]})
    await pass_time(api, clock, timedelta(hours=1))
    assert mails(api) == []


async def test_the_quiet_hours_are_kept(api: Api, ana: Client, clock: VirtualClock) -> None:
    """Now it is 11:00 in São Paulo."""
    await wants(ana, quiet_from="11:05", quiet_until="14:00")
    await say(api, ana, "one")
    await pass_time(api, clock, timedelta(hours=2, minutes=59))
    assert mails(api) == []
    await pass_time(api, clock, timedelta(minutes=1))
    assert len(mails(api)) == 1


async def test_a_digest_comes_once_a_day(api: Api, ana: Client, clock: VirtualClock) -> None:
    await wants(ana, digest_at="08:30")
    for word in ("one", "two"):
        await say(api, ana, word)
    await pass_time(api, clock, timedelta(hours=21))
    assert mails(api) == []
    await pass_time(api, clock, timedelta(hours=1))
    [mail] = mails(api)
    assert "2" in mail.subject


async def test_a_browser_that_is_gone_is_forgotten(
    api: Api, ana: Client, clock: VirtualClock, service: Service
) -> None:
    service.status = 410
    me = (await ana.get("/v1/me")).json()
    there = Browser(f"http://127.0.0.1:{service.port}/p").subscription
    async with api.services.db.tenant(UUID(me["tenant_id"])) as tx:
        await repository.subscribe(tx, UUID(me["id"]), there.endpoint, there.p256dh, there.auth)
    await wants(ana, ways=["push"])
    await say(api, ana, "one")
    await pass_time(api, clock, timedelta(hours=1))
    assert len(service.got) == 1
    async with api.services.db.tenant(UUID(me["tenant_id"])) as tx:
        assert await repository.subscriptions(tx, UUID(me["id"])) == []


async def test_the_address_of_a_slack_channel_is_never_shown_and_lies_sealed(api: Api, ana: Client) -> None:
    secret = "https://hooks.slack.example/services/T0/B0/xyz"
    assert (await ana.request("put", "/v1/notifications/slack", json={"url": secret})).json() == {"connected": True}
    assert secret not in (await ana.get("/v1/notifications/slack")).text
    me = (await ana.get("/v1/me")).json()
    async with api.services.db.tenant(UUID(me["tenant_id"])) as tx:
        hook = await repository.slack_hook(tx)
    assert hook is not None
    assert b"slack.example" not in hook.url_sealed
    assert (await ana.request("delete", "/v1/notifications/slack")).status_code == 204
    assert (await ana.get("/v1/notifications/slack")).json() == {"connected": False}
    private = {"url": "http://hooks.slack.example/x"}
    assert (await ana.request("put", "/v1/notifications/slack", json=private)).status_code == 422


async def test_who_owns_a_deal_is_told_that_its_odds_fell(api: Api, ana: Client, clock: VirtualClock) -> None:
    deal = await new_deal(ana, name="Harbor Foods")
    tenant_id = UUID((await ana.get("/v1/me")).json()["tenant_id"])
    for before, now in ((0.5, 0.45), (0.45, 0.2)):
        data = {"forecast_id": str(new_id()), "cause": str(new_id()), "cause_type": "DEAL_CHANGED", "probability": now}
        fact = Event(
            EventType.FORECAST_CHANGED, tenant_id, UUID(deal["id"]), {**data, "before": before}, at=clock.now()
        )  # fmt: skip
        async with api.services.db.tenant(tenant_id) as tx:
            await tx.emit(fact)
    await pass_time(api, clock, timedelta())
    rows = (await ana.get("/v1/notifications")).json()["items"]
    fell = [row["text"] for row in rows if row["kind"] == "forecast_fell"]
    assert fell == ["As chances de Harbor Foods caíram 25 pontos, para 20 %"]
