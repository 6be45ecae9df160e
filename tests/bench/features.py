"""An online read of all that is known of one deal (its own features, its score, its account, contact and seller),
against a bare MGET of the same bytes by the same client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from core import bootstrap
from core.datascience.features.definitions import ACCOUNT, CONTACT, DEAL, DEAL_SCORE, SELLER
from core.datascience.features.kinds import FeatureSet, Kind
from core.datascience.features.row import Given, Key
from core.kit.ids import new_id
from core.settings import Settings
from tests.bench.harness import line, quantile, servers

DEALS, SELLERS, READS, BATCH = 2_000, 20, 5_000, 200
SETS = (DEAL, DEAL_SCORE, ACCOUNT, CONTACT)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def run() -> None:
    with servers() as settings:
        ours, bare = asyncio.run(_measure(settings))
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        values = [quantile(took, share) * 1e3 for took in (ours, bare)]
        line("features", name, values[0], "ms", "a bare MGET of the same bytes", values[1], more_is_better=False)


async def _measure(settings: Settings) -> tuple[list[float], list[float]]:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    store = bootstrap.features(settings, db)
    tenant_id, rng = new_id(), random.Random(1)
    sellers = [Key(SELLER, new_id()) for _ in range(SELLERS)]
    deals = [[*(Key(one, new_id()) for one in SETS), rng.choice(sellers)] for _ in range(DEALS)]
    for start in range(0, DEALS, BATCH):
        some = [key for keys in deals[start : start + BATCH] for key in keys]
        rows = [Given(key.feature_set, key.entity_id, NOW, _values(key.feature_set, rng)) for key in some]
        async with db.tenant(tenant_id) as tx:
            await store.write(tx, rows)
    for keys in deals:
        assert None not in await store.read(tenant_id, keys)
    redis = Redis.from_url(bootstrap.redis_url(settings))
    held = {key.rsplit(b":", 1)[1].decode(): key for key in await redis.keys("*:features:*")}
    names = [[held[str(key.entity_id)] for key in keys] for keys in deals]
    which = [rng.randrange(DEALS) for _ in range(READS)]
    await db.close()  # from here on the cache answers alone
    took: list[list[float]] = [[], []]
    for place in which:  # one after the other, so that both meet the same machine
        took[0].append(await _timed(lambda place=place: store.read(tenant_id, deals[place])))
        took[1].append(await _timed(lambda place=place: redis.mget(names[place])))
    await redis.aclose()
    return took[0], took[1]


async def _timed(read: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    found = await read()
    passed = time.perf_counter() - begun
    assert None not in found
    return passed


def _values(what: FeatureSet, rng: random.Random) -> dict[str, Any]:
    return {
        f.name: "word" if f.kind is Kind.CATEGORICAL else rng.uniform(f.low or 0, f.high or 9) for f in what.features
    }
