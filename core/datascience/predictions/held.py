"""The models that a replica holds: read when they are asked for, the longest unused let go of, bounded by bytes.

A pointer is looked at again after `fresh_s`, behind an answer and not before it; one that was not looked at for long
is looked at first. So every replica serves a new champion soon after its promotion, and no answer waits for a store
that is slow.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from core.datascience.models.pointers import Pointer
from core.datascience.predictions.served import Served
from core.kit.errors import BadAnswer, NotFound, SalesEdgeError
from core.kit.log import logger
from core.ports import ObjectStore

log = logger("predictions")
_NOTHING_BYTES = 1024  # of remembering that there is no model
WARM_AFTER = 8
"""Uses of a model after which it is worth its tables."""
_STALE = 12  # times `fresh_s`: then an answer waits for the look

Open = Callable[[bytes, Pointer], Served]


@dataclass(frozen=True, slots=True)
class Held:
    """What a pointer said when it was looked at, and the model that it named; None where there is none to be used."""

    looked_at: float
    pointer: Pointer | None
    served: Served | None
    raw: bytes = b""

    @property
    def nbytes(self) -> int:
        return self.served.nbytes if self.served else _NOTHING_BYTES


@dataclass(frozen=True, slots=True)
class Use:
    """`hits`: look-ups that found their answer in memory; `misses` went to the store for it."""

    hits: int
    misses: int
    evictions: int
    models: int
    held_bytes: int
    opened: int
    """Models that were read from the store and opened."""

    @property
    def hit_rate(self) -> float:
        return self.hits / max(1, self.hits + self.misses)


class HeldModels:
    """One model that is larger than `most_bytes` is served all the same, and held alone."""

    def __init__(self, objects: ObjectStore, thread: ThreadPoolExecutor, *, most_bytes: int, fresh_s: float) -> None:
        self._objects = objects
        self._thread = thread
        self._most = most_bytes
        self._fresh_s = fresh_s
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._bytes = 0
        self._uses: dict[str, int] = {}
        self._warmed: set[str] = set()
        self._looking: dict[str, asyncio.Task[Held]] = {}
        self._hits = self._misses = self._evictions = self._opened_count = 0

    def _used(self, key: str, held: Held) -> None:
        """What is asked for again and again is made ready for it, on the thread, behind the answer."""
        served = held.served
        if served is None or key in self._warmed:
            return
        self._uses[key] = self._uses.get(key, 0) + 1
        if self._uses[key] >= WARM_AFTER:
            self._warmed.add(key)
            work = asyncio.get_running_loop().run_in_executor(self._thread, served.warm)
            work.add_done_callback(lambda _: self._recount())

    def _recount(self) -> None:
        self._bytes = sum(held.nbytes for held in self._held.values())
        self._shrink()

    async def get(self, key: str, open_: Open) -> Held:
        """What the pointer at `key` leads to. `open_` makes a model of a bundle, on the thread."""
        held = self._held.get(key)
        age_s = time.monotonic() - held.looked_at if held else 0.0
        if held is None or age_s >= self._fresh_s * _STALE:
            self._misses += 1
            try:
                return await asyncio.shield(self._look(key, open_))
            except SalesEdgeError:
                if held is None:
                    raise
                return held  # what was true a while ago is better than nothing
        self._hits += 1
        self._used(key, held)
        self._held.move_to_end(key)
        if age_s >= self._fresh_s:
            self._look(key, open_)
        return held

    def use(self) -> Use:
        models = sum(held.served is not None for held in self._held.values())
        return Use(self._hits, self._misses, self._evictions, models, self._bytes, self._opened_count)

    def _look(self, key: str, open_: Open) -> asyncio.Task[Held]:
        """One look at a time for each pointer, shared by all who wait for it."""
        task = self._looking.get(key)
        if task is None:
            task = self._looking[key] = asyncio.create_task(self._found(key, open_))
            task.add_done_callback(lambda done: self._looked(key, done))
        return task

    def _looked(self, key: str, done: asyncio.Task[Held]) -> None:
        self._looking.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("pointer_unread", scope=key, error=type(error).__name__)

    async def _found(self, key: str, open_: Open) -> Held:
        held = self._held.get(key)
        try:
            raw = await self._objects.get(key)
        except NotFound:
            return self._keep(key, Held(time.monotonic(), None, None))
        if held is not None and held.raw == raw:
            return self._keep(key, replace(held, looked_at=time.monotonic()))
        return self._keep(key, await self._opened(key, raw, open_))

    async def _opened(self, key: str, raw: bytes, open_: Open) -> Held:
        """A model that cannot be used is told once for each pointer to it, and passed over."""
        try:
            pointer = Pointer.from_json(raw)
            bundle = await self._objects.get(pointer.key)
            if hashlib.sha256(bundle).hexdigest() != pointer.sha256:
                raise BadAnswer("The model's bundle is not the one that was registered. Promote it again.")
            work = asyncio.get_running_loop().run_in_executor(self._thread, open_, bundle, pointer)
            served = await work
            self._opened_count += 1
            return Held(time.monotonic(), pointer, served, raw)
        except BadAnswer as error:
            log.error("champion_unusable", scope=key, reason=error.detail)
            return Held(time.monotonic(), None, None, raw)
        except NotFound:
            log.error("champion_missing", scope=key)
            return Held(time.monotonic(), None, None)  # it may still come: the next look tries again

    def _keep(self, key: str, held: Held) -> Held:
        before = self._held.pop(key, None)
        self._bytes += held.nbytes - (before.nbytes if before else 0)
        self._held[key] = held
        if before is None or before.served is not held.served:
            self._forget(key)
        self._shrink()
        return held

    def _forget(self, key: str) -> None:
        self._uses.pop(key, None)
        self._warmed.discard(key)

    def _shrink(self) -> None:
        while self._bytes > self._most and len(self._held) > 1:
            key, gone = self._held.popitem(last=False)
            self._forget(key)
            self._bytes -= gone.nbytes
            self._evictions += 1
