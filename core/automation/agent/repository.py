"""The queries about what the agent remembers and decided, and the one that restores it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from core.automation.agent.learn import Arm
from core.automation.agent.model import AgentArm, AgentDecision
from core.automation.model import Task
from core.automation.repository import OPEN
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first

_KNOWN = text("""
    SELECT (SELECT coalesce(jsonb_agg(jsonb_build_array(k.deal_id, k.kind)), '[]') FROM tasks k
            WHERE k.status = ANY(:open)) AS open_tasks,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(a.dimension, a.context, a.name, a.won, a.lost)), '[]')
            FROM agent_arms a) AS arms
""")
_ADD = text("""
    INSERT INTO agent_arms (id, tenant_id, dimension, context, name, won, lost)
    VALUES (:id, :tenant, :dimension, :context, :name, :won, :lost)
    ON CONFLICT (tenant_id, dimension, context, name)
    DO UPDATE SET won = agent_arms.won + excluded.won, lost = agent_arms.lost + excluded.lost
""")


async def known(tx: Tx) -> RowMapping:
    """All that a tenant's agent starts from: deal and kind of each task that is not finished, and what it learned."""
    return (await tx.session.execute(_KNOWN, {"open": list(OPEN)})).mappings().one()


async def add_to_arm(tx: Tx, arm: Arm, won: float, lost: float) -> None:
    given = {"dimension": arm.dimension, "context": arm.context, "name": arm.name, "won": won, "lost": lost}
    await tx.session.execute(_ADD, {"id": new_id(), "tenant": tx.tenant_id, **given})


async def arms(tx: Tx) -> list[AgentArm]:
    query = select(AgentArm).order_by(AgentArm.dimension, AgentArm.context, AgentArm.name)
    return list((await tx.session.execute(query)).scalars())


async def of_task(tx: Tx, task_id: UUID) -> AgentDecision | None:
    """The decision that a task came of; None for a rule's."""
    return (
        await tx.session.execute(select(AgentDecision).where(AgentDecision.task_id == task_id))
    ).scalar_one_or_none()


async def awaiting(tx: Tx, deal_id: UUID) -> list[AgentDecision]:
    """Those that went out to the deal's customer, who may still answer; oldest first."""
    query = select(AgentDecision).where(
        AgentDecision.deal_id == deal_id, AgentDecision.sent_at.is_not(None), AgentDecision.answered.is_(None)
    )
    return list((await tx.session.execute(query.order_by(AgentDecision.sent_at, AgentDecision.id))).scalars())


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
    return list((await tx.session.execute(newest_first(query, AgentDecision.id, page))).scalars())


async def forget(tx: Tx, before: datetime) -> None:
    """Decisions of long ago."""
    await tx.session.execute(delete(AgentDecision).where(AgentDecision.at < before))
