"""What it costs to check an access token that was never seen before, against one bare Ed25519 verification."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.kit.clock import VirtualClock
from core.kit.ids import new_id
from core.kit.security import Identity, SigningKey, Tokens
from tests.bench.harness import line, quantile

COUNT = 5_000


def run() -> None:
    tokens = Tokens([SigningKey("k" * 32)], lifetime_s=900, clock=VirtualClock(datetime.now(UTC)))
    scopes = frozenset(f"can_do_{n}" for n in range(20))
    who = Identity(new_id(), new_id(), ("ADMIN",), scopes, new_id())
    issued = [tokens.issue(who) for _ in range(COUNT)]
    token, fresh = issued[0], iter(issued)
    key = Ed25519PrivateKey.generate()
    message = token.rpartition(".")[0].encode()
    signature, public = key.sign(message), key.public_key()
    value = _p50_us(lambda: tokens.check(next(fresh)))
    peer = _p50_us(lambda: public.verify(signature, message))
    line("token", "p50_us", value, "us", "Ed25519 verification alone", peer, more_is_better=False)


def _p50_us(one: Callable[[], object]) -> float:
    took = []
    for _ in range(COUNT):
        begun = time.perf_counter()
        one()
        took.append(time.perf_counter() - begun)
    return quantile(took, 0.5) * 1e6
