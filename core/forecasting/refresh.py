"""Predict open deals anew and keep each answer with its exact input."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from core.deals import repository as deals
from core.deals.model import Deal
from core.deals.repository import Story
from core.forecasting import features, repository, rules
from core.forecasting.history import history
from core.forecasting.model import Forecast
from core.forecasting.sequence import sequence
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import Prediction, Predictor, Question


async def refresh(tx: Tx, deal_id: UUID, cause: Event, predictor: Predictor) -> Forecast | None:
    """One deal, because of one event; None where the deal is closed. Says FORECAST_CHANGED."""
    deal = await deals.deal(tx, deal_id)
    if deal.outcome is not None or await repository.by_cause(tx, deal_id, cause.id) is not None:
        return None
    before = await repository.latest(tx, deal_id, 1)
    [row] = await predict(tx, [deal], cause.id, cause.type.value, predictor)
    change = {"probability": row.probability, "before": before[0].probability if before else None}
    data = {"forecast_id": str(row.id), "cause": str(cause.id), "cause_type": cause.type.value, **change}
    data |= {key: cause.data[key] for key in ("call_id",) if key in cause.data}
    await tx.emit(Event(EventType.FORECAST_CHANGED, tx.tenant_id, deal_id, data, at=tx.clock.now()))
    return row


async def predict(
    tx: Tx, wanted: Sequence[Deal], cause: UUID, cause_type: str, predictor: Predictor, *,
    unless_like: Mapping[UUID, Forecast] | None = None,
) -> list[Forecast]:  # fmt: skip
    """Many deals in one call of the model; writes their forecasts, but for those that say the same as the given one."""
    now = tx.clock.now()
    questions = await asked(tx, wanted)
    answers = await predictor.predict(tx.tenant_id, questions)
    rows = [
        _row(tx, deal, given, answer, now, cause, cause_type)
        for deal, given, answer in zip(wanted, questions, answers, strict=True)
    ]
    known = unless_like or {}
    rows = [row for row in rows if row.deal_id not in known or rules.differs(known[row.deal_id], row)]
    await repository.add_all(tx, rows)
    return rows


async def asked(tx: Tx, wanted: Sequence[Deal]) -> list[Question]:
    """What the model is asked about these deals, as they stand now, with what happened to them for models that read
    sequences."""
    now = tx.clock.now()
    return [_question(story, now) for story in await deals.stories(tx, wanted)]


def _question(story: Story, now: datetime) -> Question:
    lived = history(story)
    return Question(
        features.build(lived, now), segment=story.deal.segment, deal_id=story.deal.id,
        events=tuple(tuple(step) for step in sequence(lived, now)),
    )  # fmt: skip


def _row(
    tx: Tx, deal: Deal, given: Question, answer: Prediction, now: datetime, cause: UUID, cause_type: str
) -> Forecast:
    today = now.date()
    return Forecast(
        id=new_id(), tenant_id=tx.tenant_id, deal_id=deal.id, at=now, cause=cause, cause_type=cause_type,
        probability=answer.probability, low=answer.low, high=answer.high, risk=rules.risk(answer.probability),
        expected_close_on=today + timedelta(days=round(answer.days_to_close)),
        close_on_low=today + timedelta(days=round(answer.days_low)),
        close_on_high=today + timedelta(days=round(answer.days_high)),
        expected_value_cents=round(deal.value_cents * answer.probability * answer.amount),
        worth=answer.amount, value_low_cents=round(deal.value_cents * answer.low * answer.amount_low),
        value_high_cents=round(deal.value_cents * answer.high * answer.amount_high),
        basis=answer.basis, model=answer.model, version=answer.version, features=dict(given.features),
        reasons=[dataclasses.asdict(reason) for reason in answer.reasons],
    )  # fmt: skip
