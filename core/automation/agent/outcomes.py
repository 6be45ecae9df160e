"""What came of a decision: a person's verdict, and whether the customer answered. The agent learns from both."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from core.automation.agent import repository, watch
from core.automation.agent.learn import Arm, Dimension, Happening, Learned
from core.automation.agent.model import AgentDecision
from core.automation.rules.company import working_days
from core.automation.withdraw import TO_CUSTOMER
from core.kit.db import Tx
from core.kit.events import Event


async def judged(tx: Tx, event: Event, learned: Learned) -> None:
    """A person said yes or no: to the text, and not to the hour."""
    row = await repository.of_task(tx, event.subject)
    if row is not None:
        edited = event.data["verdict"] == "approved" and event.data.get("edited")
        said = cast(Happening, "edited" if edited else event.data["verdict"])
        row.said = said
        await _learn(tx, learned, row, said, "template")


async def sent(tx: Tx, event: Event, learned: Learned) -> None:
    """It went out to the customer, who has some days for his answer."""
    row = await repository.of_task(tx, event.subject)
    if row is not None and row.kind in TO_CUSTOMER and event.data["status"] == "done":
        row.sent_at = event.at
        await watch.for_answer(tx, event.subject, row.deal_id, await working_days(tx), learned.table.answer_days)


async def answered(tx: Tx, deal_id: UUID, learned: Learned) -> None:
    """The customer has spoken: all that he was sent and might still answer did well."""
    for row in await repository.awaiting(tx, deal_id):
        row.answered = True
        await _learn(tx, learned, row, "answered", "template", "hour")


async def too_late(tx: Tx, event: Event, learned: Learned) -> None:
    """The days for an answer are over."""
    row = await repository.of_task(tx, UUID(event.data["key"]))
    if row is not None and row.answered is None:
        row.answered = False
        await _learn(tx, learned, row, "silent", "template", "hour")


async def _learn(tx: Tx, learned: Learned, row: AgentDecision, happened: Happening, *of: Dimension) -> None:
    chosen: dict[Dimension, tuple[str | None, str | None]] = {
        "template": (row.usual, row.template),
        "hour": (row.kind, None if row.hour is None else str(row.hour)),
    }
    for dimension in of:
        context, name = chosen[dimension]
        if context is not None and name is not None:
            arm = Arm(dimension, context, name)
            await repository.add_to_arm(tx, arm, *learned.reward(arm, happened))
