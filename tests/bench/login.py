"""Log-ins a second through the whole sign-in, against argon2id alone at the same cost (64 MiB, 3 passes)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from argon2 import PasswordHasher

from core import bootstrap
from core.identity.schemas import LogIn
from core.identity.sessions import Lifetimes, Origin
from core.identity.sign_in import sign_in
from core.settings import Settings
from core.tenants.schemas import SignUp
from core.tenants.sign_up import sign_up
from tests.bench.harness import line, servers

COUNT, AT_ONCE = 60, 4
PASSWORD = "correct horse battery"


def run() -> None:
    with servers() as settings:
        per_s = asyncio.run(_ours(settings))
    peer = asyncio.run(_argon2())
    line("login", "per_s", per_s, "1/s", "argon2id alone", peer, more_is_better=True)


async def _ours(settings: Settings) -> float:
    db, roles = bootstrap.database(settings, bootstrap.database_url(settings)), bootstrap.roles()
    wanted = SignUp(company="Bench", slug="bench", name="B", email="b@bench.example", password=PASSWORD)
    await sign_up(db, roles, wanted)
    factors, limiter = bootstrap.factors(settings), bootstrap.rate_limiter(settings)
    origin, lifetimes = Origin("127.0.0.1", "bench"), Lifetimes(3600, 3600)
    given = LogIn(email="b@bench.example", password=PASSWORD)

    async def one() -> None:
        await sign_in(db, roles, factors, limiter, given, origin=origin, lifetimes=lifetimes)

    per_s = await _rate(one)
    await db.close()
    return per_s


async def _argon2() -> float:
    hasher = PasswordHasher()
    hashed = hasher.hash(PASSWORD)

    async def one() -> None:
        await asyncio.to_thread(hasher.verify, hashed, PASSWORD)

    return await _rate(one)


async def _rate(one: Callable[[], Awaitable[None]]) -> float:
    async def some() -> None:
        for _ in range(COUNT // AT_ONCE):
            await one()

    await one()
    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return COUNT / (time.perf_counter() - begun)
