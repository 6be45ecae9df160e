"""The ways out of the house: e-mail, a Slack channel, a browser's push service."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import httpx2

from core.kit.errors import NotPublic, Unavailable
from core.kit.log import logger
from core.notifications.model import PushSubscription
from core.ports import Mail, Mailer

if TYPE_CHECKING:
    from py_vapid import Vapid02

log = logger("notifications")
_PUSH_TTL_S = 86_400
_GONE = (404, 410)
_PUSH_LETTERS = 600
"""Of one push: services take 4,096 bytes with what encryption adds (RFC 8291), and a letter has up to six in JSON."""


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the same however often it is sent."""

    id: UUID
    subject: str
    lines: tuple[str, ...]


class Ways(Protocol):
    @property
    def public_key(self) -> str:
        """What browsers subscribe with: the point of the P-256 key, base64url."""
        ...

    async def email(self, to: str, message: Message) -> None:
        """Raises `Unavailable`."""
        ...

    async def slack(self, url: str, message: Message) -> None:
        """Raises `Unavailable`. An address that nobody answers for any more is passed over, with a line in the log."""
        ...

    async def push(self, to: PushSubscription, message: Message) -> bool:
        """False where the browser is gone for good. Raises `Unavailable`."""
        ...


class HttpWays:
    """`client`: reaches public addresses only. `push_key`: the application server's key (VAPID, RFC 8292)."""

    def __init__(self, mailer: Mailer, client: httpx2.AsyncClient, push_key: Vapid02, contact: str) -> None:
        self._mailer = mailer
        self._client = client
        self._push_key = push_key
        self._contact = contact

    @property
    def public_key(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        point = self._push_key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return urlsafe_b64encode(point).rstrip(b"=").decode()

    async def email(self, to: str, message: Message) -> None:
        await self._mailer.send(Mail(message.id, to, message.subject, "\n".join(message.lines) + "\n"))

    async def slack(self, url: str, message: Message) -> None:
        """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""
        text = "\n".join([f"*{_plain(message.subject)}*", *(f"• {_plain(line)}" for line in message.lines)])
        status = await self._post(url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})
        if status in (*_GONE, 403):
            log.warning("slack_hook_gone", status=status)

    async def push(self, to: PushSubscription, message: Message) -> bool:
        from pywebpush import WebPusher

        keys = {"p256dh": to.p256dh, "auth": to.auth}
        data = json.dumps({"title": message.subject, "body": "\n".join(message.lines)[:_PUSH_LETTERS]})
        sealed = WebPusher({"endpoint": to.endpoint, "keys": keys}).encode(data.encode(), content_encoding="aes128gcm")
        url = httpx2.URL(to.endpoint)
        signed = self._push_key.sign({"aud": f"{url.scheme}://{url.netloc.decode()}", "sub": self._contact})
        headers = {
            **signed, "TTL": str(_PUSH_TTL_S), "Content-Encoding": "aes128gcm", "Topic": message.id.hex,
            "Content-Type": "application/octet-stream",
        }  # fmt: skip
        return await self._post(to.endpoint, sealed["body"], headers) not in _GONE

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except NotPublic:
            return _GONE[0]  # the name points into a private network now
        except httpx2.HTTPError:
            raise Unavailable("The service that takes notifications does not answer just now.") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unavailable("The service that takes notifications is busy.")
        return answer.status_code


def _plain(text: str) -> str:
    """Slack reads these three as markup, mentions among it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
