"""Whom `kill -9` hits, and when he counts as back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx2
import psutil

from tests.chaos.product import Product

MOST_AWAY_S = 600.0

Find = Callable[[Product], list[psutil.Process]]


@dataclass(frozen=True, slots=True)
class Fault:
    victim: str
    back_after_s: float


def _titled(title: str) -> Find:
    def find(product: Product) -> list[psutil.Process]:
        return [process for process in product.processes() if title in _title(process)]

    return find


def _named(name: str) -> Find:
    def find(product: Product) -> list[psutil.Process]:
        return [process for process in product.processes() if _name(process) == name]

    return find


def _postmaster(product: Product) -> list[psutil.Process]:
    file = product.folder / "postgres" / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(file.read_text("utf-8").partition("\n")[0]))
        if process.name() == "postgres":
            return [process]
    return []


VICTIMS: dict[str, Find] = {
    "tenant host": _titled("ray::TenantHost"),
    "flow worker": _titled("ServeReplica:salesedge:flows"),
    "ingress replica": _titled("ServeReplica:salesedge:ingress"),
    "stt replica": _titled("ServeReplica:salesedge:stt"),
    "forecasting replica": _titled("ServeReplica:salesedge:forecasting"),
    "content replica": _titled("ServeReplica:salesedge:content"),
    "sentiment replica": _titled("ServeReplica:salesedge:sentiment"),
    "embeddings replica": _titled("ServeReplica:salesedge:embeddings"),
    "serve controller": _titled("ray::ServeController"),
    "GCS": _named("gcs_server"),
    "broker": _named("noida-db"),
    "PostgreSQL": _postmaster,
    "Valkey": _named("valkey-server"),
}


def order(seed: int, count: int, *, broker: bool) -> list[str]:
    """Each in turn, in rounds that are shuffled. `broker`: there is one."""
    chance = random.Random(seed)
    names = sorted(name for name in VICTIMS if broker or name != "broker")
    found: list[str] = []
    while len(found) < count:
        found += chance.sample(names, len(names))
    return found[:count]


async def strike(
    product: Product, victims: Sequence[str], seed: int, tell: Callable[[str], None],
    raise_what_broke: Callable[[], None],
) -> list[Fault]:  # fmt: skip
    """Kill one after another, each once the one before is back and people worked on for a moment."""
    chance = random.Random(seed + 1)
    faults: list[Fault] = []
    for number, victim in enumerate(victims, start=1):
        raise_what_broke()
        doomed = await asyncio.to_thread(VICTIMS[victim], product)
        assert doomed, f"{victim} does not run"
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(sorted(doomed, key=lambda process: process.pid)).kill()
        killed_at = time.monotonic()
        await _back(product, victim, {process.pid for process in doomed}, len(doomed))
        faults.append(Fault(victim, time.monotonic() - killed_at))
        tell(f"{number:>3}/{len(victims)}  {victim:<20} back after {faults[-1].back_after_s:5.1f} s")
        await asyncio.sleep(chance.uniform(0.2, 2.5))  # so long people work undisturbed: part of the load, not a wait
    return faults


async def _back(product: Product, victim: str, before: set[int], count: int) -> None:
    """As many as before run, one of them new, and the house answers."""
    end = time.monotonic() + MOST_AWAY_S
    async with httpx2.AsyncClient(base_url=product.url, timeout=5) as http:
        while time.monotonic() < end:
            now = {process.pid for process in await asyncio.to_thread(VICTIMS[victim], product)}
            if len(now) >= count and now - before and await _ready(http):
                return
            await asyncio.sleep(0.2)
    raise AssertionError(f"{victim} did not come back within {MOST_AWAY_S:.0f} s; see {product.folder}")


async def _ready(http: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return (await http.get("/readyz")).status_code == 200
    return False


def summary(faults: Sequence[Fault]) -> Iterator[str]:
    counts = Counter(fault.victim for fault in faults)
    for victim in VICTIMS:
        times = sorted(fault.back_after_s for fault in faults if fault.victim == victim)
        if times:
            middle = times[len(times) // 2]
            yield f"{victim:<20} {counts[victim]:>3} times, back after {middle:.1f} s, at most {times[-1]:.1f} s"


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""
