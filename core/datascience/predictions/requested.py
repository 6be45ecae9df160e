"""A prediction that was asked for by an event is answered by one."""

from __future__ import annotations

from core.datascience.predictions import answer
from core.datascience.predictions.schemas import PredictIn, RowIn
from core.kit.db import Tx
from core.kit.events import Event, EventType
from core.ports import DealInputs, Predictor

_TOLD = ("deal_id", "probability", "low", "high", "basis", "model", "version")


async def answer_request(event: Event, tx: Tx, predictor: Predictor, inputs: DealInputs) -> None:
    rows = [RowIn(deal_id=deal_id) for deal_id in event.data.get("deal_ids", ())]
    if event.data.get("features"):
        rows.append(RowIn(features=event.data["features"], segment=event.data.get("segment")))
    found = []
    if rows:
        asked = PredictIn(context=event.data.get("context", "forecast"), rows=rows, reasons=0)
        found = await answer.predictions(tx, asked, predictor, inputs, source="event")
    told = [{name: row.model_dump(mode="json")[name] for name in _TOLD} for row in found]
    data = {"context": event.data.get("context", "forecast"), "predictions": told}
    await tx.emit(Event(EventType.PREDICTION_MADE, tx.tenant_id, event.subject, data, at=tx.clock.now()))
