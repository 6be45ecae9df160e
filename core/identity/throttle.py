"""Guessing passwords is slowed down, and nobody is locked out by it.

Attempts are counted before they are checked, so that a thousand at once are a thousand: of an account from one address,
from one address at all accounts, and of an account from everywhere. The last one would let a stranger lock a person
out; it therefore spares the networks that the person is known by (OWASP, Slow Down Online Guessing Attacks with Device
Cookies). An account that does not exist is counted like one that does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.identity import devices
from core.kit.db import Database
from core.kit.errors import TooManyRequests
from core.ports import Rate, RateLimiter
from core.tenants.repository import Account


async def attempt(limiter: RateLimiter, email: str, address: str | None) -> bool:
    """Whether the account may still be tried from networks that it is not known by. Raises `TooManyRequests`."""
    who, where = hashlib.sha256(email.lower().encode()).hexdigest(), devices.network(address) or ""
    rates = await limiter.take(
        ("sign_in", f"{who} {where}"), ("sign_in_address", where), ("sign_in_account", who)
    )  # fmt: skip
    _refuse([rate for rate in rates if rate.kind != "sign_in_account"])
    return all(rate.allowed for rate in rates)


async def only_known(db: Database, accounts: Sequence[Account], address: str | None) -> None:
    """Raises `TooManyRequests` from a network that none of the accounts is known by."""
    where = devices.network(address)
    for account in accounts:
        async with db.tenant(account.tenant_id) as tx:
            if any(network == where for network, _ in await devices.seen(tx, account.user_id)):
                return
    raise TooManyRequests(_MANY, retryAfter=_LATER_S)


_MANY = "Too many attempts to log in. Wait, log in from where you usually do, or reset the password."
_LATER_S = 900


def _refuse(rates: Sequence[Rate]) -> None:
    spent = [rate.reset_s for rate in rates if not rate.allowed]
    if spent:
        raise TooManyRequests(_MANY, retryAfter=max(spent))
