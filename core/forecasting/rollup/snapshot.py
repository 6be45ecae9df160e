"""Put down what is told now: open deals predicted anew, the tenant's correlation learnt anew, all groups added up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.deals import repository as deals
from core.deals.rules import OPEN_STAGES
from core.forecasting import repository as forecasts
from core.forecasting.refresh import predict
from core.forecasting.rollup import repository
from core.forecasting.rollup.correlation import Correlation, estimate
from core.forecasting.rollup.model import Snapshot
from core.forecasting.rollup.outlook import Outlook
from core.forecasting.rollup.periods import Period, month_of
from core.forecasting.rollup.pipeline import Dimension, Position, StageMove
from core.forecasting.rollup.roll_up import months_of, roll_up
from core.forecasting.rollup.timing import Lives
from core.forecasting.rollup.timing import learn as learn_timing
from core.forecasting.rollup.to_come import asked_since
from core.kit.db import Tx
from core.ports import Predictor
from core.tenants import repository as tenants

MONTHS = 6
DIMENSIONS: tuple[Dimension, ...] = ("all", "seller", "team", "segment", "region")
_BATCH = 500
_LEARN_FROM = timedelta(days=3 * 365)
_AGES = 5


async def take(tx: Tx, snapshot_id: UUID, kind: str, predictor: Predictor) -> Snapshot | None:
    """None where that night has its snapshot. What people ask for in the day leaves the forecasts as they are, but for
    deals that have none."""
    now = tx.clock.now()
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)
    day = now.astimezone(zone).date()
    if kind == "nightly" and await repository.has_night(tx, day):
        return None
    await _predict(tx, snapshot_id, predictor, all_open=kind == "nightly")
    outlook = await learn(tx, now, zone)
    period = Period(month_of(now, zone), MONTHS, zone)
    positions = await repository.pipeline(tx, now, period)
    outlook = replace(outlook, won=await repository.won(tx, *asked_since(now, period)))
    rows = await asyncio.to_thread(_figures, positions, now, period, outlook)
    row = Snapshot(id=snapshot_id, tenant_id=tx.tenant_id, at=now, kind=kind, day=day, learnt=outlook.to_json())
    return row if await repository.add_snapshot(tx, row, rows) else None


async def _predict(tx: Tx, cause: UUID, predictor: Predictor, *, all_open: bool) -> None:
    """A forecast that says the same as the one before it is not written again."""
    wanted = await deals.open_deals(tx)
    newest = await forecasts.newest(tx, [deal.id for deal in wanted])
    if not all_open:
        wanted = [deal for deal in wanted if deal.id not in newest]
    for start in range(0, len(wanted), _BATCH):
        await predict(tx, wanted[start : start + _BATCH], cause, "SNAPSHOT", predictor, unless_like=newest)


async def learn(tx: Tx, now: datetime, zone: ZoneInfo) -> Outlook:
    """From all of the tenant's deals of three years."""
    correlation = await _correlation(tx, now, zone)
    lives = _lives(await repository.stage_changes(tx, now - _LEARN_FROM), now, zone)
    timing = await asyncio.to_thread(learn_timing, lives)
    first = await repository.first_opened(tx)
    return Outlook(correlation, timing, first.astimezone(zone).date() if first else None)


async def _correlation(tx: Tx, now: datetime, zone: ZoneInfo) -> Correlation:
    """From the deals closed in whole months. What is expected of a deal is its first forecast, else the share won among
    deals of its age: in a young tenant's first months only short, lost lives can end, and that is no correlation."""
    import numpy as np

    rows = await repository.closed(tx, now - _LEARN_FROM)
    this_month = month_of(now, zone)
    rows = [row for row in rows if month_of(row.closed_at, zone) != this_month]
    month = np.array([row.closed_at.astimezone(zone).year * 12 + row.closed_at.astimezone(zone).month for row in rows])
    won = np.array([row.outcome == "won" for row in rows], bool)
    days = np.array([(row.closed_at - row.opened_at).total_seconds() / 86_400 for row in rows])
    told = np.array([np.nan if row.odds is None else row.odds for row in rows], np.float64)
    if len(rows):
        age = np.searchsorted(np.quantile(days, np.arange(1, _AGES) / _AGES), days)
        wins, count = np.bincount(age, won, minlength=_AGES), np.bincount(age, minlength=_AGES)
        told = np.where(np.isnan(told), ((wins + 1) / (count + 2))[age], told)
    return await asyncio.to_thread(estimate, month.astype(np.int64), told, won)


def _lives(rows: Sequence[StageMove], now: datetime, zone: ZoneInfo) -> Lives:
    """Each stretch ends with the deal's next move; the last one with its closing, or today."""
    import numpy as np

    number: dict[UUID, int] = {}
    found = []
    for row, after in zip_longest(rows, rows[1:]):
        if row.stage not in OPEN_STAGES:
            continue
        ended = (row.closed_at or now).astimezone(zone).date().toordinal()
        moved = after is not None and after.deal_id == row.deal_id
        end = after.at.astimezone(zone).date().toordinal() if after is not None and moved else ended
        begin = row.at.astimezone(zone).date().toordinal()
        outcome = -1 if row.outcome is None else int(row.outcome == "won")
        deal = number.setdefault(row.deal_id, len(number))
        found.append((deal, OPEN_STAGES.index(row.stage), begin, max(begin, end), ended, outcome))
    return Lives(*np.array(found, np.int64).reshape(-1, 6).T)


def _figures(positions: Sequence[Position], now: datetime, period: Period, outlook: Outlook) -> list[dict[str, Any]]:
    return [
        {"dimension": by, "key": group.key, "currency": group.currency, "month": month, **asdict(figures)}
        for by in DIMENSIONS
        for group in roll_up(positions, now, period, by, outlook)
        for month, figures in months_of(group, period)
    ]


async def outlook_at(tx: Tx, at: datetime, period: Period) -> Outlook:
    """As last learnt from the whole tenant, whoever asks; before the first snapshot what one may assume of anybody."""
    import numpy as np

    newest = await repository.newest_snapshot(tx)
    if newest is not None:
        outlook = Outlook.from_json(newest.learnt)
    else:
        outlook = Outlook(estimate(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool)))
    return replace(outlook, won=await repository.won(tx, *asked_since(at, period)))
