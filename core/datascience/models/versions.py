"""What is done with versions: register, judge, promote, roll back, let one challenge the champion.

The rows are the truth; the pointers in the object store, which serving reads, are written in the same step. Everything
about one context and scope happens one after the other, under a lock that is held to the commit; where the transaction
is undone the pointer goes back. Doing a thing twice is doing it once, and writes the pointer again: that mends one
which a dead process left behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.datascience.models import repository
from core.datascience.models.evidence import Evidence
from core.datascience.models.gate import Verdict
from core.datascience.models.model import ModelChange, ModelVersion
from core.datascience.models.pointers import (
    CHALLENGER,
    CHAMPION,
    Alias,
    Pointer,
    Scope,
    bundle_key,
    evidence_key,
    pointer_key,
)
from core.kit.db import Database, Tx
from core.kit.errors import BadAnswer, Conflict, Forbidden, NotFound
from core.kit.ids import new_id
from core.ports import ObjectStore

LEFT_AFTER = timedelta(days=1)
"""A candidate that was not judged by then never will be: judging takes seconds."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training job hands over. `inputs`: name, low, high, may_be_missing of each feature. `importance`: as
    `core.datascience.models.importance` finds it."""

    context: str
    algorithm: str
    bundle: bytes
    evidence: Evidence
    metrics: Mapping[str, float]
    deals: int
    fingerprint: str
    inputs: tuple[Mapping[str, Any], ...]
    baseline: Mapping[str, float] | None = None
    parameters: Mapping[str, Any] | None = None
    leaks: tuple[str, ...] = ()
    importance: Mapping[str, float] | None = None
    code: str = ""
    learnt_until: datetime | None = None


def name_of(context: str, scope: Scope) -> str:
    """What the model is called in MLflow."""
    return f"{context}-{scope.name}"


@asynccontextmanager
async def transaction(db: Database, scope: Scope) -> AsyncIterator[Tx]:
    """One in which the scope's versions may be written: the tenant's own, else the machinery's."""
    async with db.tenant(scope.tenant_id) if scope.tenant_id else db.system() as tx:
        yield tx


async def register(
    tx: Tx, objects: ObjectStore, scope: Scope, trained: Trained, *, version: int, run_id: str
) -> ModelVersion:
    """A new version as a candidate: its bundle, its evidence and its row."""
    key = bundle_key(trained.context, scope, version)
    await objects.put(key, trained.bundle)
    await objects.put(evidence_key(trained.context, scope, version), trained.evidence.to_bytes())
    row = ModelVersion(
        id=new_id(), tenant_id=scope.tenant_id, name=name_of(trained.context, scope), version=version,
        context=trained.context, scope=scope.name, algorithm=trained.algorithm, status="candidate",
        share=0.0, fingerprint=trained.fingerprint, code=trained.code, deals=trained.deals,
        metrics=dict(trained.metrics), baseline=dict(trained.baseline or {}), parameters=dict(trained.parameters or {}),
        inputs=[dict(given) for given in trained.inputs], leaks=list(trained.leaks),
        importance=dict(trained.importance or {}), run_id=run_id, object_key=key,
        sha256=hashlib.sha256(trained.bundle).hexdigest(), learnt_until=trained.learnt_until, created_at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, [row])
    await _note(tx, row, "registered")
    return row


async def judge(tx: Tx, objects: ObjectStore, version_id: UUID, verdict: Verdict) -> ModelVersion:
    """Keep the gate's verdict; what passed is promoted, what did not is refused and stays for a person to look at."""
    row = await repository.version(tx, version_id)
    row.verdict = verdict.to_json()
    if verdict.passed:
        return await promote(tx, objects, version_id)
    row.status = "refused"
    await _note(tx, row, "refused")
    return row


async def sweep(tx: Tx, scope: Scope, new: ModelVersion | None = None) -> int:
    """Retire candidates that a killed job left behind, which nobody will judge: those of a day ago, and those of the
    same algorithm and data as `new`, which the same job registered when it was begun again. Should one be judged all
    the same, its verdict counts. Returns how many."""
    found = 0
    for left in await repository.unjudged(tx, scope, tx.clock.now() - LEFT_AFTER, new):
        row, _ = await _held(tx, left.id)
        if row.status == "candidate" and row.verdict is None:  # nobody judged it before it was held
            row.status = "retired"
            await _note(tx, row, "abandoned")
            found += 1
    return found


async def answering(tx: Tx, context: str, scope: Scope, *, learnt_by: datetime | None = None) -> ModelVersion | None:
    """Who answers in this scope today: its champion, else the champion of all. That one only where it cannot have
    learnt from rows after `learnt_by`, on which somebody wants to measure."""
    own = await repository.bearer(tx, context, scope, CHAMPION)
    if own is not None or scope.kind == "global":
        return own
    general = await repository.bearer(tx, context, Scope.everybody(), CHAMPION)
    if general is None or (learnt_by and general.learnt_until and general.learnt_until > learnt_by):
        return None
    return general


async def promote(tx: Tx, objects: ObjectStore, version_id: UUID, *, force: bool = False) -> ModelVersion:
    """The version becomes the champion of its context and scope. Raises `Conflict` where the gate did not let it pass;
    `force` promotes all the same, and the trail says so."""
    row, scope = await _held(tx, version_id)
    before = await repository.bearer(tx, row.context, scope, CHAMPION)
    if before is not None and before.id == row.id:
        await _publish(tx, objects, row, scope, CHAMPION)
        return row
    passed = bool(row.verdict and row.verdict["passed"])
    if not passed and not force:
        raise Conflict("The gate did not let this version pass; its `verdict` says why. `force` promotes it anyway.")
    await _publish(tx, objects, row, scope, CHAMPION)
    if row.alias == CHALLENGER:
        await _withdraw(tx, objects, row, scope, CHALLENGER)
    if before is not None:
        before.alias, before.status = None, "retired"
        await repository.flush(tx)
    row.alias, row.status, row.share = CHAMPION, "champion", 0.0
    row.replaced, row.promoted_at = before.id if before else None, tx.clock.now()
    await _note(tx, row, "promoted", other=before, forced=not passed)
    return row


async def roll_back(tx: Tx, objects: ObjectStore, version_id: UUID) -> ModelVersion | None:
    """Take a champion back: the one before it answers again; None where there was none, and the next wider scope
    answers. A version that is not the champion has been taken back already, and nothing changes."""
    row, scope = await _held(tx, version_id)
    if row.alias != CHAMPION:
        return await repository.bearer(tx, row.context, scope, CHAMPION)
    before = await repository.version(tx, row.replaced, fresh=True) if row.replaced else None
    if before is not None:
        await _publish(tx, objects, before, scope, CHAMPION)
        if before.alias == CHALLENGER:
            await _withdraw(tx, objects, before, scope, CHALLENGER)
    else:
        await _withdraw(tx, objects, row, scope, CHAMPION)
    row.alias, row.status = None, "retired"
    await repository.flush(tx)
    if before is not None:
        before.alias, before.status, before.share, before.promoted_at = CHAMPION, "champion", 0.0, tx.clock.now()
    await _note(tx, row, "rolled_back", other=before)
    return before


async def challenge(tx: Tx, objects: ObjectStore, version_id: UUID, *, share: float = 0.0) -> ModelVersion:
    """Let the version answer beside the champion: only for the log (shadow), or for `share` of the deals."""
    row, scope = await _held(tx, version_id)
    if row.alias == CHAMPION:
        raise Conflict("This version is the champion: it cannot challenge itself.")
    before = await repository.bearer(tx, row.context, scope, CHALLENGER)
    if before is not None and before.id == row.id and row.share == share:
        await _publish(tx, objects, row, scope, CHALLENGER)
        return row
    if before is not None and before.id != row.id:
        before.alias, before.status, before.share = None, "retired", 0.0
        await repository.flush(tx)
    row.alias, row.status, row.share = CHALLENGER, "challenger", share
    await _publish(tx, objects, row, scope, CHALLENGER)
    await _note(tx, row, "challenger", other=before)
    return row


async def stand_down(tx: Tx, objects: ObjectStore, version_id: UUID) -> ModelVersion:
    """End a challenge."""
    row, scope = await _held(tx, version_id)
    if row.alias == CHALLENGER:
        await _withdraw(tx, objects, row, scope, CHALLENGER)
        row.alias, row.status, row.share = None, "retired", 0.0
        await _note(tx, row, "stood_down")
    return row


async def republish(tx: Tx, objects: ObjectStore, version_id: UUID) -> None:
    """Write the pointer to a version again, where it bears an alias."""
    row, scope = await _held(tx, version_id)
    if row.alias is not None:
        await _publish(tx, objects, row, scope, CHAMPION if row.alias == CHAMPION else CHALLENGER)


async def bundle_of(objects: ObjectStore, row: ModelVersion) -> bytes:
    """Raises `BadAnswer` where the store does not hold what was registered."""
    try:
        bundle = await objects.get(row.object_key)
    except NotFound:
        raise BadAnswer("The bundle of this version is gone from the object store. Train it again.") from None
    if hashlib.sha256(bundle).hexdigest() != row.sha256:
        raise BadAnswer("The bundle of this version is not the one that was registered. Train it again.")
    return bundle


async def _held(tx: Tx, version_id: UUID) -> tuple[ModelVersion, Scope]:
    """The version, with everybody else kept from its context and scope until the transaction ends."""
    row = await repository.version(tx, version_id)
    if row.tenant_id is None and tx.of_a_tenant:
        raise Forbidden("This model is for all tenants: who runs the installation promotes it by `salesedge models`.")
    await repository.lock(tx, row.context, row.scope)
    return await repository.version(tx, version_id, fresh=True), Scope.parse(row.scope)


async def _publish(tx: Tx, objects: ObjectStore, row: ModelVersion, scope: Scope, alias: Alias) -> None:
    await bundle_of(objects, row)
    told = Pointer(row.version, row.object_key, row.sha256, row.share).to_json()
    await _write(tx, objects, pointer_key(row.context, scope, alias), told)


async def _withdraw(tx: Tx, objects: ObjectStore, row: ModelVersion, scope: Scope, alias: Alias) -> None:
    await _write(tx, objects, pointer_key(row.context, scope, alias), None)


async def _write(tx: Tx, objects: ObjectStore, key: str, told: bytes | None) -> None:
    """Set a pointer, or take it away. Should the transaction be undone it is again what it was, unless somebody who
    waited for the lock has set it meanwhile."""
    before = await _read(objects, key)

    async def undo() -> None:
        if await _read(objects, key) == told:
            await _set(objects, key, before)

    tx.on_rollback(undo)
    await _set(objects, key, told)


async def _read(objects: ObjectStore, key: str) -> bytes | None:
    try:
        return await objects.get(key)
    except NotFound:
        return None


async def _set(objects: ObjectStore, key: str, told: bytes | None) -> None:
    await (objects.delete(key) if told is None else objects.put(key, told))


async def _note(
    tx: Tx, row: ModelVersion, action: str, *, other: ModelVersion | None = None, forced: bool = False
) -> None:
    change = ModelChange(
        id=new_id(), tenant_id=row.tenant_id, version_id=row.id, action="forced" if forced else action,
        other=other.id if other else None, user_id=tx.actor.user_id if tx.actor else None, at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, [change])
    if tx.of_a_tenant:
        before = {"version": other.version} if other else {}
        after = {"context": row.context, "version": row.version, "share": row.share, "forced": forced}
        tx.audit(f"model.{action}", f"model:{row.id}", before=before, after=after)
