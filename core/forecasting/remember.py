"""What a deal's events mean for the feature store: of the deal, its account, its contact and its seller, as all that
was known at that moment says. Reactions and backfill compute it here, so they cannot differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from core.datascience.features import definitions
from core.datascience.features.row import Given
from core.datascience.features.store import FeatureStore
from core.deals import repository as deals
from core.deals.ledger import Ledger
from core.deals.model import Activity
from core.deals.past import as_known, known
from core.deals.repository import Story
from core.forecasting import features, repository
from core.forecasting.history import history
from core.forecasting.model import Forecast
from core.kit.db import Tx
from core.kit.events import Event

_DAY_S = 86_400


async def deal(tx: Tx, deal_id: UUID, cause: Event, store: FeatureStore) -> int:
    """Because of one event; returns how many rows were new."""
    return await store.write(tx, await of_deal(tx, deal_id, cause.at, cause.id, cause.type.value))


async def score(tx: Tx, forecast_id: UUID, cause: Event, store: FeatureStore) -> int:
    row = await repository.forecast(tx, forecast_id)
    return await store.write(tx, [of_score(row, cause.id, cause.type.value)])


async def of_deal(
    tx: Tx, deal_id: UUID, at: datetime, cause: UUID | None, cause_type: str, *, known_at: datetime | None = None
) -> list[Given]:
    """All sets that one moment of a deal changes."""
    return await of_story(tx, await deals.story(tx, deal_id), at, cause, cause_type, known_at=known_at)


async def of_story(
    tx: Tx, whole: Story, at: datetime, cause: UUID | None, cause_type: str, *, known_at: datetime | None = None,
    ledger: Ledger | None = None,
) -> list[Given]:  # fmt: skip
    """`ledger`: answers for the sums of account and seller, where many moments are asked for."""
    story = as_known(whole, at)
    deal_id, now = whole.deal.id, story.deal
    account = await deals.account(tx, now.account_id)
    sold = await _sold(tx, ledger, at, account_id=now.account_id)
    where = {"segment": account.segment, "region": account.region}
    found: list[tuple[Any, UUID, Mapping[str, Any]]] = [
        (definitions.DEAL, deal_id, features.build(history(story), at)),
        (definitions.ACCOUNT, now.account_id, {**_sales(sold, at), **where}),
    ]
    if now.owner_id is not None:
        by_him = await _sold(tx, ledger, at, seller_id=now.owner_id)
        found.append((definitions.SELLER, now.owner_id, _sales(by_him, at)))
    contact = await deals.find_contact(tx, now.contact_id) if now.contact_id else None
    if contact is not None:
        touches = [one for one in await deals.activities_with(tx, contact.id, at) if known(one, at)]
        found.append((definitions.CONTACT, contact.id, {**_touches(touches, at), "language": contact.language}))
    return [Given(what, id_, at, values, cause, cause_type, known_at) for what, id_, values in found]


def of_score(row: Forecast, cause: UUID | None, cause_type: str, *, known_at: datetime | None = None) -> Given:
    values = {
        "probability": row.probability, "probability_low": row.low, "probability_high": row.high,
        "days_to_close": (row.expected_close_on - row.at.date()).days, "basis": row.basis,
    }  # fmt: skip
    return Given(definitions.DEAL_SCORE, row.deal_id, row.at, values, cause, cause_type, known_at)


async def _sold(tx: Tx, ledger: Ledger | None, at: datetime, **whose: UUID) -> Mapping[str, Any]:
    return ledger.sales(at, **whose) if ledger else await deals.sales(tx, at, **whose)


def _sales(found: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    won, lost = int(found["won"]), int(found["lost"])
    return {
        "deals_open": int(found["open"]), "deals_won": won, "deals_lost": lost,
        "win_share": won / (won + lost) if won + lost else None,
        "log_value_open": math.log1p(int(found["open_cents"]) / 100),
        "log_value_won": math.log1p(int(found["won_cents"]) / 100),
        "days_since_first_deal": _days(found["first_at"], at) if found["first_at"] else None,
    }  # fmt: skip


def _touches(touches: Sequence[Activity], at: datetime) -> dict[str, Any]:
    inbound = [one for one in touches if one.direction == "in"]
    return {
        "touches": len(touches),
        "inbound_share": len(inbound) / len(touches) if touches else None,
        "days_since_contact": _days(touches[-1].at, at) if touches else None,
        "days_since_inbound": _days(inbound[-1].at, at) if inbound else None,
        "meetings": sum(one.kind == "meeting" for one in touches),
        "calls": sum(one.kind == "call" for one in touches),
    }


def _days(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds() / _DAY_S)
