"""A person's own number for a group and month: given, changed, taken back; each version with who, when and why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from core.forecasting.rollup import repository
from core.forecasting.rollup.model import Override
from core.forecasting.rollup.periods import Period, month_of, named
from core.forecasting.rollup.pipeline import Dimension
from core.forecasting.rollup.roll_up import Figures, roll_up
from core.forecasting.rollup.snapshot import outlook_at
from core.kit.db import Tx
from core.kit.errors import Conflict, FieldProblem, Invalid
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.tenants import repository as tenants

NOTHING = Figures(0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0)


async def give(
    tx: Tx, dimension: Dimension, key: str, currency: str, month: date, value_cents: int | None, reason: str,
    user_id: UUID,
) -> Override:  # fmt: skip
    """`value_cents` None takes the number back. The model's own figures of that moment are put down beside it."""
    zone = ZoneInfo((await tenants.tenant(tx)).time_zone)
    now = tx.clock.now()
    if month < month_of(now, zone):
        problem = FieldProblem("body.month", "is over")
        raise Invalid("What has happened is not forecast any more.", problems=[problem])
    await repository.check_group(tx, dimension, key)
    await repository.lock_overrides(tx)
    versions = await repository.versions(tx, dimension, key, currency, month)
    before = versions[0].value_cents if versions else None
    if value_cents is None and before is None:
        raise Conflict("There is no number to take back: it was taken back already.")
    model = await _model_says(tx, dimension, key, currency, Period(month, 1, zone))
    row = Override(
        id=new_id(), tenant_id=tx.tenant_id, dimension=dimension, key=key, currency=currency, month=month,
        version=versions[0].version + 1 if versions else 1, value_cents=value_cents, reason=reason, user_id=user_id,
        at=now, model_expected_cents=model.expected_cents, model_p10_cents=model.p10_cents,
        model_p50_cents=model.p50_cents, model_p90_cents=model.p90_cents,
    )  # fmt: skip
    await repository.add_override(tx, row)
    what = {"dimension": dimension, "key": key, "currency": currency, "month": named(month)}
    tx.audit(
        "forecast.overridden", f"forecast_override:{row.id}", before={"value_cents": before},
        after={**what, "value_cents": value_cents, "version": row.version},
    )  # fmt: skip
    data = {"dimension": dimension, "month": named(month), "version": row.version}
    await tx.emit(Event(EventType.FORECAST_OVERRIDDEN, tx.tenant_id, row.id, data, at=now))
    return row


async def _model_says(tx: Tx, dimension: Dimension, key: str, currency: str, period: Period) -> Figures:
    now = tx.clock.now()
    positions = await repository.pipeline(tx, now, period)
    among = [p for p in positions if p.key(dimension) == key and p.currency == currency]
    outlook = await outlook_at(tx, now, period)
    ours = replace(outlook, won=[p for p in outlook.won if p.key(dimension) == key and p.currency == currency])
    groups = await asyncio.to_thread(roll_up, among, now, period, dimension, ours)
    return groups[0].months[0] if groups else NOTHING
