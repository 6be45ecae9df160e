"""The engine: `Predictor` over the models that are promoted.

A row is answered by the champion of its tenant, else of its segment, else of all, else by the fallback; the answer
says by which. A champion that cannot be used is logged and passed over like one that is not there. A challenger
answers its share of the deals, always the same ones; without a share it works in the shadow: its answers are logged
and nobody else sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

from core.datascience.models.bundle import CONTEXTS
from core.datascience.models.pointers import CHALLENGER, CHAMPION, Alias, Pointer, Scope, pointer_key
from core.datascience.predictions import fallback
from core.datascience.predictions.held import Held, HeldModels, Use
from core.datascience.predictions.log import Logged, PredictionLog
from core.datascience.predictions.served import Served, refuse_unknown, without_events
from core.kit.errors import BadInput, FieldProblem, Invalid
from core.kit.log import logger
from core.ports import Clock, ObjectStore, Prediction, Question

log = logger("predictions")
MOST_BYTES = 256 << 20
FRESH_S = 5.0
_FEW = 4
"""Rows that are answered at once: for them a thread costs more than the work."""

BaseRates = Callable[[UUID], Awaitable[Mapping[str, int]]]


class PredictionEngine:
    """`known`: the features that this version builds; None: any. `log`: where answers are written down."""

    def __init__(
        self, objects: ObjectStore, *, base_rates: BaseRates, clock: Clock, known: frozenset[str] | None = None,
        log: PredictionLog | None = None, most_bytes: int = MOST_BYTES, fresh_s: float = FRESH_S,
    ) -> None:  # fmt: skip
        self._base_rates = base_rates
        self._clock = clock
        self._known = known
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._models = HeldModels(objects, self._thread, most_bytes=most_bytes, fresh_s=fresh_s)
        self._shadows: set[asyncio.Task[None]] = set()

    async def predict(
        self, tenant_id: UUID, rows: Sequence[Question], *, context: str = "forecast", source: str = "flow",
        strict: bool = False, what_if: bool = False,
    ) -> list[Prediction]:  # fmt: skip
        if context not in CONTEXTS:
            problem = FieldProblem("body.context", f"one of {', '.join(CONTEXTS)}")
            raise Invalid("There is no such context.", problems=[problem])
        if strict and self._known is not None:
            refuse_unknown(rows, self._known)
        by_segment: dict[str | None, list[int]] = {}
        for place, row in enumerate(rows):
            by_segment.setdefault(row.segment, []).append(place)
        answers: dict[int, Prediction] = {}
        for segment, places in by_segment.items():
            some = [rows[place] for place in places]
            found = await self._some(tenant_id, segment, some, context, source, strict, what_if)
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(rows))]

    async def champion(self, tenant_id: UUID, segment: str | None, context: str) -> Served | None:
        """Whose answers these would be, for who answers many rows at once; None: the fallback's."""
        return (await self._champion(tenant_id, segment, context))[1]

    async def fallback(self, tenant_id: UUID, context: str) -> Prediction:
        """What is said without a model."""
        counts = await self._base_rates(tenant_id)
        return fallback.answer(context, counts["won"], counts["lost"])

    def use(self) -> Use:
        """What is held in memory, and how often it was enough."""
        return self._models.use()

    async def close(self) -> None:
        """Everything that was answered is logged when this returns."""
        await asyncio.gather(*self._shadows, return_exceptions=True)
        if self._log is not None:
            await self._log.close()
        self._thread.shutdown(wait=False)

    async def _some(
        self, tenant_id: UUID, segment: str | None, rows: Sequence[Question], context: str, source: str,
        strict: bool, what_if: bool,
    ) -> list[Prediction]:  # fmt: skip
        """Rows of one segment; those that a challenger answers apart from the others."""
        begun = time.perf_counter()
        scope, champion = await self._champion(tenant_id, segment, context)
        if champion is None:
            told = await self.fallback(tenant_id, context)
            found = [told for _ in rows]
            self._write(tenant_id, without_events(rows), found, source, begun)
            return found
        challenger = await self._held(context, scope, CHALLENGER)
        mine = [self._is_challengers(row, challenger) for row in rows]
        parts: dict[bool, list[Prediction]] = {}
        for with_challenger in sorted(set(mine)):
            served = challenger.served if with_challenger else champion
            assert served is not None
            some = [row for row, his in zip(rows, mine, strict=True) if his == with_challenger]
            if strict:
                served.check(some)
            parts[with_challenger] = await self._answer(served, some, what_if)
            self._write(
                tenant_id, served.read_of(some), parts[with_challenger], source, begun, challenger=with_challenger
            )
        if challenger.served is not None and challenger.pointer is not None and not challenger.pointer.share:
            self._in_shadow(tenant_id, rows, challenger.served, source)
        turns = {his: iter(part) for his, part in parts.items()}
        return [next(turns[his]) for his in mine]

    async def _champion(self, tenant_id: UUID, segment: str | None, context: str) -> tuple[Scope, Served | None]:
        for scope in _scopes(tenant_id, segment):
            held = await self._held(context, scope, CHAMPION)
            if held.served is not None:
                return scope, held.served
        return Scope.everybody(), None

    async def _held(self, context: str, scope: Scope, alias: Alias) -> Held:
        return await self._models.get(pointer_key(context, scope, alias), partial(self._open, context, scope))

    def _open(self, context: str, scope: Scope, bundle: bytes, pointer: Pointer) -> Served:
        known = self._known if context in ("forecast", "risk") else None
        return Served(bundle, basis=scope.kind, version=str(pointer.version), known=known)

    async def _answer(self, served: Served, rows: Sequence[Question], what_if: bool) -> list[Prediction]:
        if len(rows) <= _FEW:
            return served.predict(rows, advise=what_if)
        work = partial(served.predict, rows, advise=what_if)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @staticmethod
    def _is_challengers(row: Question, challenger: Held) -> bool:
        """A deal stays on its side for as long as the share does."""
        if challenger.served is None or challenger.pointer is None or row.deal_id is None:
            return False
        place = zlib.crc32(row.deal_id.bytes) / 2**32
        return place < challenger.pointer.share

    def _in_shadow(self, tenant_id: UUID, rows: Sequence[Question], served: Served, source: str) -> None:
        task = asyncio.create_task(self._shadow(tenant_id, list(rows), served, source))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _shadow(self, tenant_id: UUID, rows: Sequence[Question], served: Served, source: str) -> None:
        begun = time.perf_counter()
        try:
            work = partial(served.predict, rows)
            found = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except BadInput as error:
            log.warning("shadow_failed", version=served.version, error=type(error).__name__)
            return
        self._write(tenant_id, served.read_of(rows), found, source, begun, challenger=True, shadow=True)

    def _write(
        self, tenant_id: UUID, rows: Sequence[Question], found: Sequence[Prediction], source: str, begun: float, *,
        challenger: bool = False, shadow: bool = False,
    ) -> None:  # fmt: skip
        if self._log is None:
            return
        latency_ms = (time.perf_counter() - begun) * 1e3 / max(1, len(rows))
        role = "shadow" if shadow else "challenger" if challenger else "champion"
        at = self._clock.now()
        self._log.add([
            Logged(tenant_id, at, row, told, source, role, latency_ms)
            for row, told in zip(rows, found, strict=True)
        ])  # fmt: skip


def _scopes(tenant_id: UUID, segment: str | None) -> list[Scope]:
    """Whose champions are asked, in this order."""
    found = [Scope.of_tenant(tenant_id), Scope.everybody()]
    if segment:
        with contextlib.suppress(BadInput):  # no segment of ours is called that
            found.insert(1, Scope.of_segment(segment.lower().replace("-", "_").replace(" ", "_")))
    return found
