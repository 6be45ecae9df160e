"""Versions of models as a training job would hand them over, without the training."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from core.datascience.models import versions
from core.datascience.models.evidence import Evidence
from core.datascience.models.gate import Check, Verdict
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.datascience.models.versions import Trained
from core.kit.db import Database, Tx
from core.kit.ids import new_id
from core.ports import ObjectStore
from core.tenants import repository as tenants
from core.tenants.model import Tenant

PASSED = Verdict((Check("no_leak", True, {"features": "-"}),))
REFUSED = Verdict((Check("no_leak", False, {"features": "closed_reason"}),))
EVERYBODY = Scope.everybody()


async def new_tenant(db: Database, slug: str = "acme") -> UUID:
    tenant_id = new_id()
    async with db.tenant(tenant_id) as tx:
        await tenants.add(
            tx, Tenant(id=tenant_id, name=slug, slug=slug, plan="STARTER", locale="pt-BR",
                       time_zone="America/Sao_Paulo", currency="BRL", limits={}, autonomy="suggest"),
        )  # fmt: skip
    return tenant_id


def evidence(rows: int = 40, seed: int = 1, first: int = 0) -> Evidence:
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.05, 0.95, rows)
    number = np.arange(first, first + rows)
    return Evidence(number, number // 2, (rng.random(rows) < said).astype(float), said)


def trained(**changed: Any) -> Trained:
    given: dict[str, Any] = {
        "context": "forecast", "algorithm": "xgboost", "bundle": b"a bundle", "evidence": evidence(),
        "metrics": {"auc": 0.8, "ece": 0.03}, "deals": 600, "fingerprint": "f00d", "code": "0.1.0",
        "inputs": ({"name": "days_open", "low": 0.0, "high": 90.0, "may_be_missing": False},),
        "parameters": {"rounds": 160},
    }  # fmt: skip
    return Trained(**given | changed)


async def registered(
    tx: Tx, objects: ObjectStore, scope: Scope, version: int, verdict: Verdict | None = None, **changed: Any
) -> ModelVersion:
    given = trained(**{"bundle": f"bundle {version}".encode(), **changed})
    row = await versions.register(tx, objects, scope, given, version=version, run_id=f"run{version}")
    return await versions.judge(tx, objects, row.id, verdict) if verdict else row
