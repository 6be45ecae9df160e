"""200 tenants' models through one replica that may hold 48 MiB of them, against a process that holds all 200. Tenants
ask as often as a Zipf law of exponent 1.1 says: a few all the time, most now and then."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from core.datascience.models.bundle import pack, unpack
from core.datascience.models.pointers import CHAMPION, Pointer, Scope, bundle_key, pointer_key
from core.gateways.objects import open_objects
from core.ports import Question
from core.settings import ObjectSettings
from tests.bench.harness import line, quantile
from tests.bench.predict_engine import Fitted, fitted

TENANTS = 200
REQUESTS = 6_000
MOST_MIB = 48
EXPONENT = 1.1


def run() -> None:
    made = fitted()
    with tempfile.TemporaryDirectory(prefix="salesedge-bench-") as at:
        url = f"file:{at}/objects"
        asyncio.run(_promote(url, made))
        bounded = _apart(url, made, MOST_MIB)
        everything = _apart(url, made, 4096)
    for metric, unit, more in (("hit_rate", "share", True), ("pss_mib", "MiB", False), ("p95_ms", "ms", False)):
        line("multiplex", metric, bounded[metric], unit, "all in memory", everything[metric], more_is_better=more)
    line(
        "multiplex", "mib_a_model", everything["held_mib"] / TENANTS, "MiB", "growth of the process by each",
        everything["grown_mib"] / TENANTS, more_is_better=False,
    )  # fmt: skip


async def _promote(url: str, made: Fitted) -> None:
    """Each tenant's bundle is another file: the same trees under another number of deals."""
    objects, opened = open_objects(ObjectSettings(url=url)), unpack(made.bundle)
    for number in range(TENANTS):
        raw = pack(opened.meta.model_copy(update={"deals": 1000 + number}), opened.files)
        scope = Scope.of_tenant(_tenant(number))
        key = bundle_key("forecast", scope, 1)
        await objects.put(key, raw)
        pointer = Pointer(1, key, hashlib.sha256(raw).hexdigest())
        await objects.put(pointer_key("forecast", scope, CHAMPION), pointer.to_json())


def _tenant(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"tenant {number}")


def _apart(url: str, made: Fitted, most_mib: int) -> dict[str, float]:
    """In a process of its own, whose memory is its own."""
    context = multiprocessing.get_context("spawn")
    given, taken = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(taken, url, made.row, most_mib), daemon=True)
    process.start()
    found: dict[str, float] = given.recv()
    process.join()
    return found


def _serve(out: Any, url: str, row: dict[str, float | None], most_mib: int) -> None:
    out.send(asyncio.run(_answers(url, row, most_mib)))


async def _answers(url: str, row: dict[str, float | None], most_mib: int) -> dict[str, float]:
    from core.datascience.predictions.engine import PredictionEngine
    from core.kit.clock import SystemClock

    objects = open_objects(ObjectSettings(url=url))
    engine = PredictionEngine(objects, base_rates=_nothing, clock=SystemClock(), most_bytes=most_mib << 20, fresh_s=600)
    order = np.random.default_rng(3).permutation(TENANTS)
    often = 1 / np.arange(1, TENANTS + 1) ** EXPONENT
    asked = np.random.default_rng(4).choice(order, REQUESTS, p=often / often.sum())
    await engine.predict(_tenant(0), [Question(row)])  # libraries are loaded
    before_mib = _pss_mib()
    if most_mib > 1000:
        for number in range(TENANTS):
            await engine.predict(_tenant(number), [Question(row)])
    warm, took, start = REQUESTS // 6, [], engine.use()
    for turn, number in enumerate(asked):
        if turn == warm:
            start, took = engine.use(), []
        begun = time.perf_counter()
        [told] = await engine.predict(_tenant(int(number)), [Question(row)])
        took.append((time.perf_counter() - begun) * 1e3)
        assert told.basis == "tenant"
    end = engine.use()
    opened = end.opened - start.opened
    return {
        "hit_rate": 1 - opened / len(took), "pss_mib": _pss_mib(), "grown_mib": _pss_mib() - before_mib,
        "held_mib": end.held_bytes / 2**20, "p95_ms": quantile(took, 0.95),
    }  # fmt: skip


def _pss_mib() -> float:
    told = Path("/proc/self/smaps_rollup").read_text()
    return next(int(text.split()[1]) for text in told.splitlines() if text.startswith("Pss:")) / 1024


async def _nothing(tenant_id: UUID) -> Mapping[str, int]:
    return {"won": 0, "lost": 0}
