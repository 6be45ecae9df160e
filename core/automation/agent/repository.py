"""The queries about what the agent remembers and decided, and the one that restores it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert

from core.automation.agent.model import AgentDecision
from core.automation.model import Task
from core.automation.repository import OPEN
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.pages import PageRequest

_KNOWN = text("""
    SELECT coalesce(jsonb_agg(jsonb_build_array(k.deal_id, k.kind)), '[]') AS open_tasks
    FROM tasks k WHERE k.status = ANY(:open)
""")


async def known(tx: Tx) -> RowMapping:
    """All that the follow-up agent of a tenant starts from: deal and kind of each task that is not finished."""
    return (await tx.session.execute(_KNOWN, {"open": list(OPEN)})).mappings().one()


async def turned_down(tx: Tx, deal_id: UUID, since: datetime | None) -> frozenset[str]:
    """Kinds of the deal's tasks that a person dismissed since then, or ever."""
    query = select(Task.kind).where(Task.deal_id == deal_id, Task.status == "dismissed")
    if since is not None:
        query = query.where(Task.decided_at >= since)
    return frozenset((await tx.session.execute(query)).scalars())


async def put(tx: Tx, row: dict[str, Any]) -> None:
    """Keep a decision; the same event led to one before: that one stays."""
    await tx.session.execute(insert(AgentDecision).values(row).on_conflict_do_nothing())


async def decision(tx: Tx, decision_id: UUID) -> AgentDecision:
    found = await tx.session.get(AgentDecision, decision_id)
    if found is None:
        raise NotFound("There is no such decision.")
    return found


async def decisions(
    tx: Tx, page: PageRequest, *, deal_id: UUID | None, task_id: UUID | None, verdict: str | None
) -> list[AgentDecision]:
    query = select(AgentDecision)
    if deal_id is not None:
        query = query.where(AgentDecision.deal_id == deal_id)
    if task_id is not None:
        query = query.where(AgentDecision.task_id == task_id)
    if verdict is not None:
        query = query.where(AgentDecision.verdict == verdict)
    if page.before is not None:
        query = query.where(AgentDecision.id < page.before)
    return list((await tx.session.execute(query.order_by(AgentDecision.id.desc()).limit(page.limit))).scalars())
