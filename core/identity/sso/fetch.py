"""Requests to identity providers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2

from core.identity.sso.oidc import Fetched
from core.kit import outgoing
from core.kit.errors import BadAnswer, Unavailable

_MOST_S = 20.0
_MOST_BYTES = 1_000_000


class HttpFetch:
    """To public addresses, or with `loopback` to this machine too; follows no redirect, reads no more than a megabyte,
    and waits no longer than 20 s in all."""

    def __init__(self, *, loopback: bool = False) -> None:
        self._loopback = loopback

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], data: Mapping[str, str] | None = None
    ) -> Fetched:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(_MOST_S),
                outgoing.client(loopback=self._loopback) as client,
                client.stream(method, url, headers=dict(headers), data=dict(data) if data else None) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise BadAnswer("The identity provider's answer is too long. Ask your administrator.")
                return Fetched(answer.status_code, bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
            raise Unavailable("The identity provider does not answer just now. Try again in a moment.") from None
