"""Predicts with a trained bundle: XGBoost for the odds and the reasons, plain tables for calibration and dates.

A bundle is a zip with `model.ubj` and `meta.json`; nothing in it is code and nothing is unpickled.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import time
import zipfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.forecasting import rules
from core.forecasting.features import NAMES
from core.kit.errors import BadAnswer, NotFound
from core.kit.log import logger
from core.ports import ObjectStore, Prediction, Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logger("forecasting")

MOST_BUNDLE_BYTES = 64 << 20
MOST_TENANTS = 50
FRESH_S = 5.0
"""How long a replica may serve the champion of before."""
GLOBAL = "global"


def pointer_key(scope: str) -> str:
    """Where the alias `champion` of a scope (a tenant's id, or `global`) is published."""
    return f"models/forecasting/{scope}/champion.json"


def _unpack(bundle: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as file:
            if sum(item.file_size for item in file.infolist()) > MOST_BUNDLE_BYTES:
                raise BadAnswer("The model's bundle is too large.")
            meta: dict[str, Any] = json.loads(file.read("meta.json"))
            missing = {"features", "calibration", "interval", "days"} - meta.keys()
            if missing:
                raise BadAnswer(f"The model's bundle lacks {', '.join(sorted(missing))}. Train it again.")
            return meta, file.read("model.ubj")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BadAnswer("The model's bundle cannot be read. Train it again.") from error


class ForecastEngine:
    """One bundle on one thread. Raises `BadAnswer` for a bundle that is broken or not of this code's features."""

    def __init__(self, bundle: bytes, *, basis: str, version: str) -> None:
        import xgboost

        self.meta, model = _unpack(bundle)
        if tuple(self.meta["features"]) != NAMES:
            raise BadAnswer("The model was trained on other features than this version builds. Train it again.")
        self._basis = basis
        self._version = version
        self._booster = xgboost.Booster({"nthread": 1})
        try:
            self._booster.load_model(bytearray(model))
        except xgboost.core.XGBoostError as error:
            raise BadAnswer("The model in the bundle cannot be read. Train it again.") from error
        self._slope, self._shift = self.meta["calibration"]

    def predict(self, rows: Sequence[Mapping[str, float | None]]) -> list[Prediction]:
        """Reasons are exact TreeSHAP shares (Lundberg et al., arXiv:1802.03888), scaled by the calibration's slope."""
        import numpy as np
        import xgboost

        if not rows:
            return []
        values = np.array([[_number(row.get(name)) for name in NAMES] for row in rows], np.float32)
        shares = self._booster.predict(
            xgboost.DMatrix(values, feature_names=list(NAMES), nthread=1), pred_contribs=True
        )
        return [self._one(row, share) for row, share in zip(rows, shares, strict=True)]

    def _one(self, row: Mapping[str, float | None], shares: NDArray[np.float32]) -> Prediction:
        margin = self._slope * float(shares.sum()) + self._shift
        probability = 1 / (1 + math.exp(-margin))
        low, high = self._interval(probability)
        days = self.meta["days"][str(int(row.get("stage") or 0))]
        reasons = [Reason(n, row.get(n), round(self._slope * float(s), 4)) for n, s in zip(NAMES, shares, strict=False)]
        return Prediction(
            probability=probability, low=low, high=high, days_low=days[0], days_to_close=days[1], days_high=days[2],
            reasons=tuple(sorted(reasons, key=lambda reason: -abs(reason.impact))),
            model="forecasting", version=self._version, basis=self._basis,
        )  # fmt: skip

    def _interval(self, p: float) -> tuple[float, float]:
        """Where the share won among the next deals with odds like these will lie, nine times of ten."""
        edges, evidence = self.meta["interval"]["edges"], self.meta["interval"]["evidence"]
        place = sum(p >= edge for edge in edges)
        return rules.wilson(p, max(1.0, evidence[place]))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


@dataclass(frozen=True, slots=True)
class _Held:
    looked_at: float
    pointer: bytes
    engine: ForecastEngine | None


class ModelForecaster:
    """`Forecaster`: the tenant's own champion, else the global one, else the plain base rate. Holds few in memory.

    The pointer is looked at again after `fresh_s`, so every replica serves a new champion soon after its promotion. A
    champion that cannot be used (broken, or of an older version's features) is logged and passed over like one that is
    not there: every answer says what it rests on.
    """

    def __init__(
        self, objects: ObjectStore, *, base_rates: Callable[[UUID], Awaitable[Mapping[str, int]]],
        most_tenants: int = MOST_TENANTS, fresh_s: float = FRESH_S,
    ) -> None:  # fmt: skip
        self._objects = objects
        self._base_rates = base_rates
        self._most = most_tenants
        self._fresh_s = fresh_s
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._looking = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecast")

    async def predict(self, tenant_id: UUID, rows: Sequence[Mapping[str, float | None]]) -> list[Prediction]:
        engine = await self._engine(str(tenant_id), "tenant") or await self._engine(GLOBAL, "global")
        if engine is None:
            counts = await self._base_rates(tenant_id)
            return [rules.base_rate(counts["won"], counts["lost"]) for _ in rows]
        return await asyncio.get_running_loop().run_in_executor(self._thread, engine.predict, rows)

    async def _engine(self, scope: str, basis: str) -> ForecastEngine | None:
        held = self._held.get(scope)
        if held is None or held.looked_at + self._fresh_s <= time.monotonic():
            async with self._looking:
                if self._held.get(scope) is held:
                    held = await self._look(scope, basis, held)
                    self._held[scope] = held
                    while len(self._held) > self._most:
                        self._held.popitem(last=False)
                held = self._held.get(scope, held)
        assert held is not None
        if scope in self._held:
            self._held.move_to_end(scope)
        return held.engine

    async def _look(self, scope: str, basis: str, held: _Held | None) -> _Held:
        """What the pointer now points to; what is held where it still says the same."""
        now = time.monotonic()
        try:
            pointer = await self._objects.get(pointer_key(scope))
        except NotFound:
            return _Held(now, b"", None)
        if held is not None and held.pointer == pointer:
            return _Held(now, pointer, held.engine)
        try:
            return _Held(now, pointer, await self._load(pointer, basis))
        except BadAnswer as error:
            log.error("champion_unusable", scope=scope, reason=error.detail)
            return _Held(now, pointer, None)
        except NotFound:
            log.error("champion_missing", scope=scope)
            return _Held(now, b"", None)  # it may still come: the next look tries again

    async def _load(self, pointer: bytes, basis: str) -> ForecastEngine:
        try:
            told = json.loads(pointer)
            key, sha256, version = str(told["key"]), told["sha256"], str(told["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnswer("The pointer to the champion cannot be read. Promote a version again.") from error
        bundle = await self._objects.get(key)
        if hashlib.sha256(bundle).hexdigest() != sha256:
            raise BadAnswer("The model's bundle is not the one that was registered. Promote it again.")
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: ForecastEngine(bundle, basis=basis, version=version)
        )
