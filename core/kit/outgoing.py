"""Requests to addresses that users chose: to public ones only, so that nobody reaches into our own network through us.

The name is resolved once, every address that it has must be public, and the connection goes to exactly the address that
was checked: a name that points elsewhere a moment later (DNS rebinding) leads nowhere. Redirects are not followed, and
proxies of the environment are not asked. See OWASP, Server-Side Request Forgery Prevention.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx2

from core.kit.errors import NotPublic, Unavailable

Resolve = Callable[[str, int], Awaitable[list[str]]]
_TIMEOUT_S = 10.0
_NAT64 = IPv6Network("64:ff9b::/96")
# Special by RFC 6890 and RFC 8215, which not every Python's ipaddress says.
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("64:ff9b:1::/48"))


def is_public(address: str) -> bool:
    """Also of the IPv4 address that an IPv6 one carries inside (mapped, 6to4, Teredo, NAT64)."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = _inside(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL)


def _inside(ip: IPv6Address) -> IPv4Address | None:
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


async def resolve(host: str, port: int) -> list[str]:
    """Raises `Unavailable` for a name that has no address."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable("The address has no host that answers just now. Check it, or try again.") from None
    return [str(address[4][0]) for address in found]


class PublicTransport(httpx2.AsyncBaseTransport):
    """`loopback`: this machine is allowed too, as a developer's own servers are."""

    def __init__(self, *, loopback: bool = False, resolve: Resolve = resolve, inner: httpx2.AsyncBaseTransport) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises `NotPublic`."""
        url = request.url
        addresses = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        if not addresses or not all(self._takes(address) for address in addresses):
            raise NotPublic("The address is not on the public internet. Name one that is.")
        pinned = httpx2.Request(
            request.method, url.copy_with(host=addresses[0]), headers=request.headers, stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )  # fmt: skip
        return await self._inner.handle_async_request(pinned)

    def _takes(self, address: str) -> bool:
        return is_public(address) or (self._loopback and ip_address(address).is_loopback)

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(*, loopback: bool = False) -> httpx2.AsyncClient:
    inner = httpx2.AsyncHTTPTransport(trust_env=False)
    transport = PublicTransport(loopback=loopback, inner=inner)
    return httpx2.AsyncClient(transport=transport, timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False)
