"""Accounts of two kinds, and groups that a training might have found in them, without the training."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import numpy as np

from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.normalise import Normaliser
from core.datascience.features.store import FeatureStore
from core.datascience.groups import repository
from core.datascience.groups.assign import of_accounts
from core.datascience.groups.grouping import CONTEXT, Group, Grouping
from core.datascience.groups.profile import NAMES, read
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.deals import repository as deals
from core.deals.model import Account, Activity, Deal
from core.kit.db import Database, Tx
from core.kit.ids import new_id
from core.ports import ObjectStore
from tests.conftest import NOW
from tests.core.datascience.models.made import PASSED, registered


def grouping() -> Grouping:
    """Two groups: all that is known is little there, and much here."""
    rows = [dict.fromkeys(NAMES, value) for value in (0.1, 0.9)]
    centres = np.array([np.full(len(NAMES), -1.0), np.full(len(NAMES), 1.0)])
    groups = tuple(
        Group(number, 2, 1, 2, row, dict.fromkeys(NAMES, apart))
        for number, row, apart in zip((1, 2), rows, (-1.0, 1.0), strict=True)
    )
    normaliser = Normaliser.fit(ACCOUNT_GROUP, [read(row) for row in rows], NAMES)
    return Grouping("kmeans", normaliser, centres, np.ones_like(centres), np.full(2, 0.5), groups, rows[0])


async def furnish(db: Database, tenant_id: UUID) -> list[UUID]:
    """24 accounts: every second one buys much, slowly, and after many contacts."""
    ids = [new_id() for _ in range(24)]
    sold, touched = [], []
    for number, account_id in enumerate(ids):
        large = number % 2 == 0
        for turn in range(2):
            opened = NOW - timedelta(days=300 if large else 40 + number)
            closed = opened + timedelta(days=180 + number if large else 8 + turn)
            deal_id = new_id()
            sold.append(
                {"id": deal_id, "account_id": account_id, "name": "CRM", "currency": "BRL", "products": [],
                 "value_cents": (900_000_00 if large else 5_000_00) + number, "opened_at": opened, "closed_at": closed,
                 "stage": "closed_won", "outcome": "won" if large or turn else "lost"},
            )  # fmt: skip
            touched += [
                {"deal_id": deal_id, "kind": "call", "direction": "out", "at": opened + timedelta(days=day),
                 "sentiment": 0.25, "objections": 1}
                for day in range(8 if large else 1)
            ]  # fmt: skip
    made = [{"id": id_, "name": f"Account {n}", "created_at": NOW} for n, id_ in enumerate(ids)]
    async with db.tenant(tenant_id) as tx:
        for table, rows in ((Account, made), (Deal, sold), (Activity, touched)):
            await deals.add_many(tx, table, rows)
    return ids


async def with_groups(tx: Tx, objects: ObjectStore, store: FeatureStore) -> ModelVersion:
    """Of all accounts that the tenant has."""
    given = {"context": CONTEXT, "bundle": grouping().to_bytes(), "metrics": {"silhouette": 0.3, "stability": 0.9}}
    row = await registered(tx, objects, Scope.of_tenant(tx.tenant_id), 1, PASSED, **given)
    accounts = await repository.known(tx, tx.clock.now())
    await store.write(tx, of_accounts(grouping(), row, accounts, tx.clock.now()))
    return row
