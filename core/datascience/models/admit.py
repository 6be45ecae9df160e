"""A trained model's way into the house: logged, registered, judged against who answers today, promoted or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.datascience.models import gate, repository, verdicts, versions
from core.datascience.models.gate import Candidate, Cost, HeldOut, Limits, Verdict
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import CHALLENGER, CHAMPION, Alias, Scope
from core.datascience.models.versions import Trained
from core.kit.db import Database
from core.kit.errors import BadAnswer
from core.kit.log import logger
from core.ports import ObjectStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.gateways.mlflow import Logged

    Floats = NDArray[np.float64]

log = logger("models")
Score = Callable[[bytes], "Floats"]
"""What another bundle says of the candidate's held-out rows (rows,). Raises `BadAnswer` where it cannot be used."""


class Runs(Protocol):
    """MLflow, as far as it is needed here (`core.gateways.mlflow.Registry`)."""

    def log_and_register(
        self, name: str, bundle: bytes, *, parameters: Mapping[str, Any], metrics: Mapping[str, float],
        tags: Mapping[str, str], files: Mapping[str, bytes] | None = None,
    ) -> Logged: ...  # fmt: skip
    def mirror(self, name: str, wanted: Mapping[str, int]) -> bool: ...
    def note(self, name: str, version: int, tags: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """The new version and what the gate said of it. `against`: whom it was measured against; None: the base rate."""

    row: ModelVersion
    verdict: Verdict
    against: ModelVersion | None


async def admit(
    db: Database, objects: ObjectStore, runs: Runs, scope: Scope, trained: Trained, *, base_rate: float, score: Score,
    cost: Cost | None, limits: Limits | None = None, files: Mapping[str, bytes] | None = None,
) -> Admitted:  # fmt: skip
    """`base_rate`: the share won among the deals that were learnt from; `files`: more for MLflow, such as plots."""
    name = versions.name_of(trained.context, scope)
    logged = await asyncio.to_thread(_log, runs, name, trained, files)
    async with versions.transaction(db, scope) as tx:
        row = await versions.register(tx, objects, scope, trained, version=logged.version, run_id=logged.run_id)
        await versions.sweep(tx, scope, row)
    evidence = trained.evidence
    rows = HeldOut(evidence.won, evidence.deal, base_rate)
    candidate = Candidate(evidence.said, trained.deals, cost, trained.leaks)
    while True:
        async with versions.transaction(db, scope) as tx:
            champion = await versions.answering(tx, trained.context, scope, learnt_by=trained.learnt_until)
        said = await _said(objects, champion, score, rows)
        verdict = await asyncio.to_thread(gate.decide, candidate, said, rows, limits)
        async with versions.transaction(db, scope) as tx:
            await repository.lock(tx, trained.context, scope.name)
            now = await versions.answering(tx, trained.context, scope, learnt_by=trained.learnt_until)
            if (now.id if now else None) == (champion.id if champion else None):
                row = await versions.judge(tx, objects, row.id, verdict)
                break  # else another became champion meanwhile, and has to be beaten too
    await asyncio.to_thread(runs.note, name, row.version, {"verdict": "\n".join(verdicts.tell(verdict, "en"))})
    await mirror(db, runs, trained.context, scope)
    return Admitted(row, verdict, champion)


async def mirror(db: Database, runs: Runs, context: str, scope: Scope) -> bool:
    """Let MLflow's aliases say what the rows say."""
    wanted: dict[str, int] = {}
    async with versions.transaction(db, scope) as tx:
        aliases: tuple[Alias, ...] = (CHAMPION, CHALLENGER)
        for alias in aliases:
            bearer = await repository.bearer(tx, context, scope, alias)
            if bearer is not None:
                wanted[alias] = bearer.version
    return await asyncio.to_thread(runs.mirror, versions.name_of(context, scope), wanted)


def _log(runs: Runs, name: str, trained: Trained, files: Mapping[str, bytes] | None) -> Logged:
    baseline = {f"baseline_{key}": value for key, value in (trained.baseline or {}).items()}
    tags = {
        "algorithm": trained.algorithm, "context": trained.context, "deals": str(trained.deals),
        "fingerprint": trained.fingerprint, "code": trained.code, "leaks": ", ".join(trained.leaks),
    }  # fmt: skip
    return runs.log_and_register(
        name, trained.bundle, parameters=trained.parameters or {}, metrics={**trained.metrics, **baseline}, tags=tags,
        files=files,
    )  # fmt: skip


async def _said(objects: ObjectStore, champion: ModelVersion | None, score: Score, rows: HeldOut) -> Floats | None:
    if champion is None:
        return None
    try:
        said = await asyncio.to_thread(score, await versions.bundle_of(objects, champion))
    except BadAnswer as error:
        log.warning("champion_unusable", version_id=str(champion.id), reason=error.detail)
        return None
    if len(said) != len(rows.won):
        raise BadAnswer("The champion was measured on other rows than the candidate.")
    return said
