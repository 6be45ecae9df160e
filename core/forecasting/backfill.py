"""Features of deals for moments that are over: as the reactions would have written them, from what was known then.

Safe to repeat, and to run beside the reactions: what is there already stays, to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.datascience.features import repository as features
from core.datascience.features.definitions import DEAL
from core.datascience.features.row import Given
from core.datascience.features.store import FeatureStore
from core.deals import repository as deals
from core.deals.ledger import Ledger
from core.deals.repository import Story
from core.forecasting import remember, repository
from core.kit.db import Tx

REFRESH = "REFRESH"
IMPORTED = "IMPORTED"


@dataclass(frozen=True, slots=True)
class Moment:
    at: datetime
    cause: UUID | None
    cause_type: str


async def backfill(
    tx: Tx, deal_ids: Sequence[UUID], store: FeatureStore, *, since: datetime | None = None,
    until: datetime | None = None,
) -> int:  # fmt: skip
    """Every moment of these deals from `since` on and before `until`; returns how many rows were new."""
    rows: list[Given] = []
    ledger = await Ledger.read(tx)
    for story in await deals.stories(tx, [await deals.deal(tx, deal_id) for deal_id in deal_ids]):
        for moment in await _moments(tx, story):
            if (since is None or since <= moment.at) and (until is None or moment.at < until):
                found = (moment.at, moment.cause, moment.cause_type)
                rows += await remember.of_story(tx, story, *found, known_at=moment.at, ledger=ledger)
        for forecast in await repository.all_of(tx, story.deal.id):
            if (since is None or since <= forecast.at) and (until is None or forecast.at < until):
                rows.append(
                    remember.of_score(forecast, forecast.cause, forecast.cause_type, known_at=forecast.at)
                )  # fmt: skip
    return await store.write(tx, rows)


async def refresh(tx: Tx, deal_ids: Sequence[UUID], store: FeatureStore) -> int:
    """As of now: days go by without an event."""
    rows: list[Given] = []
    for story in await deals.stories(tx, [await deals.deal(tx, deal_id) for deal_id in deal_ids]):
        rows += await remember.of_story(tx, story, tx.clock.now(), None, REFRESH)
    return await store.write(tx, rows)


async def _moments(tx: Tx, story: Story) -> list[Moment]:
    """Its events; and what happened before the first of them, of a deal that was imported with its past."""
    events = await features.facts(tx, DEAL.sources, subject=story.deal.id, deal_id=story.deal.id)
    told = [Moment(row.at, row.id, row.type) for row in events]
    first = min((moment.at for moment in told), default=None)
    times = {change.at for change in story.changes} | {one.recorded_at or one.at for one in story.activities}
    recorded = story.deal.recorded_at or story.deal.opened_at
    before = sorted(at for at in times if recorded <= at and (first is None or at < first))
    return [*(Moment(at, None, IMPORTED) for at in before), *told]
