"""A tenant's traffic without the traffic: deals with outcomes, and what versions said of them week by week."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from core.datascience.drift import repository
from core.datascience.drift.model import DriftProposal, DriftReport
from core.datascience.models.bundle import Feature, Meta, pack
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.datascience.models.reference import reference
from core.datascience.predictions.model import PredictionRow
from core.deals import repository as deals
from core.deals.model import Account, Deal
from core.kit.db import Tx
from core.kit.ids import new_id

NAMES = ("days_open", "meetings")


@dataclass(frozen=True)
class Case:
    """A deal, with what is true of it."""

    id: UUID
    truth: float
    won: bool
    closed_at: datetime | None
    features: dict[str, float | None]


def features(rng: np.random.Generator) -> dict[str, float | None]:
    meetings = float(rng.poisson(2))
    return {"days_open": float(rng.gamma(4, 10)), "meetings": None if rng.random() < 0.1 else meetings}


def bundle(seed: int = 0) -> bytes:
    """A logistic model whose reference is the world of `features` and of odds around .4."""
    rng = np.random.default_rng(seed)
    rows = [features(rng) for _ in range(800)]
    x = np.array([[np.nan if (v := row[name]) is None else v for name in NAMES] for row in rows], np.float32)
    out = io.BytesIO()
    parts = {"fill": [20.0, 2.0], "mean": [40.0, 2.0], "scale": [20.0, 1.4], "coef": [-0.5, 0.8], "intercept": [-0.4]}
    np.savez(out, **{name: np.array(values) for name, values in parts.items()})
    meta = Meta(
        algorithm="logistic", context="forecast",
        features=tuple(Feature(name=name, low=0, high=200) for name in NAMES),
        calibration={}, reference=reference(NAMES, x, rng.beta(1.4, 2.0, 800), deals=800),
    )  # fmt: skip
    return pack(meta, {"weights.npz": out.getvalue()})


async def cases(
    tx: Tx, count: int, *, seed: int = 1, closed: bool = True, moved: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> list[Case]:
    rng = np.random.default_rng(seed)
    account = new_id()
    now = tx.clock.now()
    await deals.add_many(tx, Account, [{"id": account, "name": "Horizonte", "created_at": now}])
    found = []
    for _ in range(count):
        truth = float(rng.beta(1.4, 2.0))
        at = now - timedelta(days=float(rng.uniform(1, 60))) if closed else None
        found.append(Case(new_id(), truth, bool(rng.random() < truth), at, moved(features(rng))))
    rows = [
        {
            "id": case.id, "account_id": account, "name": "CRM", "value_cents": 1_000_00, "currency": "BRL",
            "stage": "proposal" if not closed else "closed_won" if case.won else "closed_lost", "products": [],
            "opened_at": now - timedelta(days=120), "closed_at": case.closed_at,
            "outcome": ("won" if case.won else "lost") if closed else None,
        }
        for case in found
    ]  # fmt: skip
    await deals.add_many(tx, Deal, rows)
    return found


async def predicted(
    tx: Tx, row: ModelVersion, about: Sequence[Case], say: Callable[[Case], float], *, role: str = "champion",
    weeks: int = 2, late_s: float = 0.0,
) -> None:  # fmt: skip
    """What the version said of each, some weeks before its end (or now)."""
    rows = []
    for case in about:
        end = (case.closed_at or tx.clock.now()) - timedelta(hours=1)
        for week in range(weeks):
            at = end - timedelta(days=7 * week) + timedelta(seconds=late_s)
            rows.append({
                "id": new_id(), "at": at, "context": row.context, "deal_id": case.id, "source": "flow", "role": role,
                "basis": Scope.parse(row.scope).kind, "model": row.algorithm, "version": str(row.version),
                "probability": float(np.clip(say(case), 0.01, 0.99)), "output": {}, "outside": [], "latency_ms": 1.0,
                "input": {"features": {**case.features, "week": week}, "segment": "smb"},
            })  # fmt: skip
    await deals.add_many(tx, PredictionRow, rows)


async def proposed(tx: Tx, row: ModelVersion) -> DriftProposal:
    """A report that found something, and what it proposes."""
    now = tx.clock.now()
    finding = {"kind": "input", "value": 0.4, "limit": 0.25, "feature": "days_open"}
    report = DriftReport(
        id=new_id(), tenant_id=tx.tenant_id, version_id=row.id, at=now, since=now, deals=120, inputs={}, score=None,
        quality=None, findings=[finding],
    )  # fmt: skip
    proposal = DriftProposal(
        id=new_id(), tenant_id=tx.tenant_id, report_id=report.id, version_id=row.id, action="retrain", status="open",
        at=now,
    )  # fmt: skip
    await repository.add(tx, [report])
    await repository.add(tx, [proposal])
    return proposal
