"""Groups that a training might have found, without the training."""

from __future__ import annotations

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
from core.kit.db import Tx
from core.ports import ObjectStore
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


async def with_groups(tx: Tx, objects: ObjectStore, store: FeatureStore) -> ModelVersion:
    """Of all accounts that the tenant has."""
    given = {"context": CONTEXT, "bundle": grouping().to_bytes(), "metrics": {"silhouette": 0.3, "stability": 0.9}}
    row = await registered(tx, objects, Scope.of_tenant(tx.tenant_id), 1, PASSED, **given)
    accounts = await repository.known(tx, tx.clock.now())
    await store.write(tx, of_accounts(grouping(), row, accounts, tx.clock.now()))
    return row
