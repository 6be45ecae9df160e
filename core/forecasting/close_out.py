"""A deal is closed: what was predicted of it is scored. One that is opened again has no scores any more."""

from __future__ import annotations

import math
from uuid import UUID
from zoneinfo import ZoneInfo

from core.deals import repository as deals
from core.deals.model import Deal
from core.forecasting import repository
from core.forecasting.model import Forecast, ForecastScore
from core.kit.db import Tx
from core.tenants import repository as tenants

_LEAST_ODDS = 1e-6


async def close_out(tx: Tx, deal_id: UUID) -> int:
    """How many forecasts were scored; safe to repeat."""
    deal = await deals.deal(tx, deal_id)
    await repository.forget_scores(tx, deal_id)
    if deal.outcome is None or deal.closed_at is None:
        return 0
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)
    rows = [score(deal, row, zone) for row in await repository.before_closing(tx, deal)]
    await repository.add_scores(tx, rows)
    return len(rows)


def score(deal: Deal, forecast: Forecast, zone: ZoneInfo) -> ForecastScore:
    assert deal.closed_at is not None
    won = deal.outcome == "won"
    closed_on = deal.closed_at.astimezone(zone).date()
    likely = forecast.probability if won else 1 - forecast.probability
    return ForecastScore(
        id=forecast.id, tenant_id=forecast.tenant_id, deal_id=deal.id, outcome=str(deal.outcome),
        closed_at=deal.closed_at, lead_days=(deal.closed_at - forecast.at).total_seconds() / 86_400,
        squared_error=(1 - likely) ** 2, log_loss=-math.log(max(_LEAST_ODDS, likely)),
        off_days=(closed_on - forecast.expected_close_on).days,
        date_held=forecast.close_on_low <= closed_on <= forecast.close_on_high,
    )  # fmt: skip
