"""Questions from outside, asked of the engine and answered in the words of the business."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta

from core.datascience.predictions import words
from core.datascience.predictions.schemas import (
    ExplainIn,
    ExplanationOut,
    PredictIn,
    PredictionOut,
    ReasonOut,
    RowIn,
    WhatIfOut,
)
from core.kit.db import Tx
from core.ports import DealInputs, Prediction, Predictor, Question
from core.tenants import repository as tenants


async def predictions(
    tx: Tx, asked: PredictIn, predictor: Predictor, inputs: DealInputs, *, source: str
) -> list[PredictionOut]:
    """Raises `NotFound` for a deal that is not there for who asks, `Invalid` for features that nobody knows."""
    questions = await _questions(tx, asked.rows, inputs)
    # The engine answers elsewhere; the database is asked meanwhile.
    answering = asyncio.ensure_future(
        predictor.predict(
            tx.tenant_id, questions, context=asked.context, source=source, strict=True, what_if=asked.what_if
        )
    )
    try:
        language = await _language(tx, asked.language)
        found = await answering
    finally:
        answering.cancel()
    return [shown(tx, question, told, language, asked.reasons) for question, told in zip(questions, found, strict=True)]


async def explanation(tx: Tx, asked: ExplainIn, predictor: Predictor, inputs: DealInputs) -> ExplanationOut:
    [question] = await _questions(tx, [asked], inputs)
    [told] = await predictor.predict(
        tx.tenant_id, [question], context=asked.context, source="http", strict=True, what_if=True
    )
    language = await _language(tx, asked.language)
    log_odds = math.log(told.probability / (1 - told.probability))
    base = log_odds - sum(reason.impact for reason in told.reasons) if told.reasons else None
    plain = shown(tx, question, told, language, len(told.reasons))
    return ExplanationOut(
        **plain.model_dump(), input=dict(question.features), log_odds=log_odds, base_log_odds=base
    )  # fmt: skip


async def _questions(tx: Tx, rows: Sequence[RowIn], inputs: DealInputs) -> list[Question]:
    ids = [row.deal_id for row in rows if row.deal_id is not None]
    deals = iter(await inputs(tx, ids) if ids else [])
    return [next(deals) if row.features is None else Question(row.features, segment=row.segment) for row in rows]


async def _language(tx: Tx, wanted: str | None) -> str:
    return wanted or (await tenants.locale(tx))[:2]


def shown(tx: Tx, question: Question, told: Prediction, language: str, most_reasons: int) -> PredictionOut:
    same = (
        "context", "probability", "low", "high", "days_to_close", "days_low", "days_high", "amount", "amount_low",
        "amount_high", "basis", "model", "version",
    )  # fmt: skip
    return PredictionOut(
        **{name: getattr(told, name) for name in same}, deal_id=question.deal_id,
        expected_close_on=tx.clock.today() + timedelta(days=round(told.days_to_close)),
        basis_text=words.basis(told.basis, language), outside=list(told.outside),
        reasons=[
            ReasonOut(feature=r.feature, value=r.value, impact=r.impact, text=words.explain(r, language))
            for r in told.reasons[:most_reasons]
        ],
        what_ifs=[
            WhatIfOut(
                action=w.action, probability=w.probability, change=w.probability - told.probability,
                text=words.advise(w, language),
            )
            for w in told.what_ifs
        ],
    )  # fmt: skip
