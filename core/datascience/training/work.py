"""How a process works on a training: it claims it, says how far it is, and hands over what came of it.

A claim is a lease. Who lets it run out, because he died or hangs, is taken over (`watch`); who comes back then is told
`Lost` at his next word and has to stop: what he made is not registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.datascience.models.model import ModelVersion
from core.datascience.training import repository, story
from core.datascience.training.model import Training
from core.kit.db import Database, Tx
from core.kit.errors import Conflict


class Lost(Conflict):
    """The training is somebody else's by now, or was cancelled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at one training."""

    tenant_id: UUID
    training_id: UUID
    attempt: int
    context: str
    algorithm: str
    action: str
    version_id: UUID | None
    tune: int


async def claim(db: Database, tenant_id: UUID, training_id: UUID, lease_s: float) -> Claim:
    """Raises `Lost` where another holds it, or it is over."""
    async with db.tenant(tenant_id) as tx:
        now = tx.clock.now()
        row = await repository.claim(tx, training_id, now, now + timedelta(seconds=lease_s))
        if row is None:
            raise Lost("This training is over, or another process works on it.")
        row.started_at = row.started_at or now
        await story.tell(tx, row, "begun" if row.attempts == 1 else f"begun again, attempt {row.attempts}")
        return _claim(row)


def _claim(row: Training) -> Claim:
    return Claim(
        row.tenant_id, row.id, row.attempts, row.context, row.algorithm, row.action, row.version_id, row.tune
    )  # fmt: skip


async def report(
    db: Database, mine: Claim, lease_s: float, said: Sequence[str] = (), progress: float | None = None
) -> None:
    """A sign of life, with what happened since the last one. Raises `Lost`."""
    async with db.tenant(mine.tenant_id) as tx:
        values: dict[str, object] = {"lease_until": tx.clock.now() + timedelta(seconds=lease_s)}
        if said:
            values["stage"] = said[-1][:300]
        if progress is not None:
            values["progress"] = progress
        row = await repository.change(tx, mine.training_id, mine.attempt, values)
        if row is None:
            raise Lost("This training was cancelled, or another process took it over.")
        await story.tell(tx, row, *said)


async def done(db: Database, mine: Claim, model: ModelVersion) -> None:
    """A version came of it, whatever the gate said. Raises `Lost`."""
    async with db.tenant(mine.tenant_id) as tx:
        row = await _held(tx, mine)
        await story.end(tx, row, "done", f"{model.name}@{model.version} is {model.status}", model)


async def failed(db: Database, mine: Claim, why: str) -> None:
    """It cannot be made, and trying again would not help. Raises `Lost`."""
    async with db.tenant(mine.tenant_id) as tx:
        row = await _held(tx, mine)
        await story.end(tx, row, "failed", why)


async def given_back(db: Database, mine: Claim, why: str) -> None:
    """Something broke that may work next time: the watch lets it go on, or gives it up."""
    async with db.tenant(mine.tenant_id) as tx:
        row = await repository.change(tx, mine.training_id, mine.attempt, {"lease_until": tx.clock.now()})
        if row is not None:
            await story.tell(tx, row, why)


async def _held(tx: Tx, mine: Claim) -> Training:
    row = await repository.training(tx, mine.training_id, held=True)
    if row.status != "running" or row.attempts != mine.attempt:
        raise Lost("This training was cancelled, or another process took it over.")
    return row
