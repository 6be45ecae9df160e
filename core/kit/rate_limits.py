"""Rate limits of HTTP: who is counted, what the answer says (draft-ietf-httpapi-ratelimit-headers), and 429."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

from core.kit.errors import TooManyRequests
from core.kit.security import Identity

_HOUSEHOLD = 64  # bits of an IPv6 address that one customer of a network shares


def address(request: HTTPConnection) -> tuple[str, str]:
    host = request.client.host if request.client else ""
    try:
        ip = ip_address(host)
    except ValueError:
        return "address", host
    return "address", str(ip_network((ip, _HOUSEHOLD), strict=False) if isinstance(ip, IPv6Address) else ip)


def members(identity: Identity) -> list[tuple[str, str]]:
    """The person or his key, and the tenant."""
    kind = "user" if identity.session_id else "key"
    return [(kind, str(identity.user_id)), ("tenant", str(identity.tenant_id))]


async def count(request: HTTPConnection, *subjects: tuple[str, str]) -> None:
    """Raises `TooManyRequests`, with the seconds to wait."""
    rates = await request.app.state.services.rate_limiter.take(*subjects)
    if not rates:
        return
    request.state.headers = {
        "RateLimit-Policy": ", ".join(f'"{rate.kind}";q={rate.most};w={rate.window_s}' for rate in rates),
        "RateLimit": ", ".join(f'"{rate.kind}";r={rate.remaining};t={rate.reset_s}' for rate in rates),
    }
    spent = [rate for rate in rates if not rate.allowed]
    if spent:
        wait_s = max(rate.reset_s for rate in spent)
        whose = " and ".join(f"this {rate.kind}" for rate in spent)
        raise TooManyRequests(f"Too many requests of {whose}. Try again in {wait_s} s.", retryAfter=wait_s)
