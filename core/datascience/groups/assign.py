"""Who belongs to which group, written to the feature store: group, how clear it is, and the profile it follows from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.row import Given
from core.datascience.groups.grouping import Grouping
from core.datascience.groups.profile import Known
from core.datascience.models.model import ModelVersion

CAUSE = "MODEL_VERSION"


def of_accounts(grouping: Grouping, version: ModelVersion, accounts: Sequence[Known], at: datetime) -> list[Given]:
    """One row for each account, whose cause is the version of the model."""
    if not accounts:
        return []
    places, certainty = grouping.place([account.values for account in accounts])
    return [
        Given(
            ACCOUNT_GROUP, account.account_id, at,
            {
                "group": str(grouping.groups[int(place)].number), "certainty": min(1.0, max(0.0, float(sure))),
                "model": called(version), **account.values,
            },
            version.id, CAUSE,
        )
        for account, place, sure in zip(accounts, places, certainty, strict=True)
    ]  # fmt: skip


def called(version: ModelVersion) -> str:
    """As the store keeps it; a model's name bears a tenant's id, which is no news there."""
    return f"{version.context}@{version.version}"
