"""Requests to identity providers."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from core.identity.sso.oidc import Fetched
from core.kit.errors import BadAnswer, Unavailable

_TIMEOUT_S = 10.0
_MOST_BYTES = 1_000_000


class HttpFetch:
    """Follows no redirect, and reads no more than a megabyte."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], data: Mapping[str, str] | None = None
    ) -> Fetched:
        body = bytearray()
        try:
            async with (
                httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client,
                client.stream(method, url, headers=dict(headers), data=dict(data) if data else None) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise BadAnswer("The identity provider's answer is too long. Ask your administrator.")
                return Fetched(answer.status_code, bytes(body))
        except httpx2.HTTPError:
            raise Unavailable("The identity provider does not answer just now. Try again in a moment.") from None
