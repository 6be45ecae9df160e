"""The queries about suggestions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from core.analysis.model import CallInsights
from core.calls.model import Call
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.live.suggest.model import SuggestionRanking, SuggestionRow
from core.live.suggest.ranking import Ranking


async def shown_by_calls(tx: Tx, deal_id: UUID, most: int) -> list[tuple[UUID, dict[str, Any]]]:
    """Insights of the deal's last calls, by the id of the call, newest first."""
    query = select(CallInsights.id, CallInsights.data).join(Call, Call.id == CallInsights.id)
    rows = await tx.session.execute(query.where(Call.deal_id == deal_id).order_by(Call.started_at.desc()).limit(most))
    return [(row.id, row.data) for row in rows]


async def add(tx: Tx, row: SuggestionRow) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def suggestion(tx: Tx, suggestion_id: UUID, *, lock: bool = False) -> SuggestionRow:
    found = await tx.session.get(SuggestionRow, suggestion_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such suggestion.")
    return found


async def ranking(tx: Tx) -> Ranking:
    weights = (await tx.session.execute(select(SuggestionRanking.weights))).scalar_one_or_none() or {}
    return Ranking({name: (float(mean), float(precision)) for name, (mean, precision) in weights.items()})


async def ranking_to_teach(tx: Tx) -> SuggestionRanking:
    """Locked until the transaction ends: verdicts come from many sessions."""
    row = {"id": new_id(), "tenant_id": tx.tenant_id, "weights": {}, "verdicts": 0, "changed_at": tx.clock.now()}
    await tx.session.execute(upsert(SuggestionRanking).values(row).on_conflict_do_nothing())
    return (await tx.session.execute(select(SuggestionRanking).with_for_update())).scalar_one()
