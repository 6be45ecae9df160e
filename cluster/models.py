"""What a person does about versions of models: list, look, compare, promote, roll back.

A version is named `<model>@<number>`, as in `forecast-global@3`, or by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from core import bootstrap
from core.datascience.models import compare as comparing
from core.datascience.models import repository, verdicts, versions
from core.datascience.models.admit import mirror
from core.datascience.models.gate import Verdict
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import Scope
from core.kit.db import Database
from core.kit.errors import BadInput
from core.kit.pages import PageRequest
from core.ports import ObjectStore
from core.settings import Settings

_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class House:
    settings: Settings
    db: Database
    objects: ObjectStore


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        yield House(settings, db, bootstrap.object_store(settings))
    finally:
        await db.close()


async def listed(settings: Settings, context: str | None = None, scope: str | None = None) -> list[str]:
    """A line for each version, newest first; `*` marks who answers."""
    async with house(settings) as home, home.db.system() as tx:
        page = PageRequest(limit=_MOST_LISTED, before=None)
        rows = await repository.versions(tx, page, context=context, scope=scope)
    return [_line(row) for row in rows]


async def shown(settings: Settings, named: str, language: str = "en") -> list[str]:
    """What is known of one version."""
    async with house(settings) as home:
        row = await find(home.db, named)
        async with home.db.system() as tx:
            changes = await repository.changes(tx, row.id)
    lines = [_line(row), f"id           {row.id}", f"run          {row.run_id}", f"data         {row.fingerprint}"]
    lines += [f"code         {row.code}", f"bundle       {row.object_key}"]
    lines += [f"{name:12} {value:.4f}" for name, value in row.metrics.items()]
    lines += [f"{name:12} {value}" for name, value in row.parameters.items()]
    lines += [f"{given['name']:24} {given['low']} … {given['high']}" for given in row.inputs]
    lines += verdicts.tell(Verdict.from_json(row.verdict), language) if row.verdict else ["The gate was not asked yet."]
    return lines + [f"{change.at:%Y-%m-%d %H:%M}  {change.action}" for change in changes]


async def compared(settings: Settings, one: str, other: str, alpha: float = 0.05, language: str = "en") -> list[str]:
    """Two versions on the rows that both held out."""
    async with house(settings) as home:
        a, b = await find(home.db, one), await find(home.db, other)
        found = await comparing.compare(home.objects, a, b, alpha=alpha)
    lines = [f"{found.rows} rows of {found.deals} deals, held out by both", f"{'':10} {'a':>8} {'b':>8}"]
    for name in found.quality_a:
        lines.append(f"{name:10} {found.quality_a[name]:8.4f} {found.quality_b.get(name, float('nan')):8.4f}")
    for c in found.comparisons:
        lines.append(f"a better in {c.measure:9} by {c.better:+.4f} ({c.low:+.4f} to {c.high:+.4f}), p {c.p:.4f}")
    return [*lines, comparing.tell(found, _called(a), _called(b), language)]


async def promoted(settings: Settings, named: str, *, force: bool = False) -> str:
    async with house(settings) as home:
        row = await find(home.db, named)
        async with versions.transaction(home.db, Scope.parse(row.scope)) as tx:
            row = await versions.promote(tx, home.objects, row.id, force=force)
        await _mirror(home, row)
    return f"{_called(row)} is the champion. Serving follows within seconds."


async def rolled_back(settings: Settings, named: str) -> str:
    async with house(settings) as home:
        row = await find(home.db, named)
        async with versions.transaction(home.db, Scope.parse(row.scope)) as tx:
            champion = await versions.roll_back(tx, home.objects, row.id)
        await _mirror(home, row)
    if champion is None:
        return f"There is no champion of {row.name} any more: the next wider scope answers, or the base rate."
    return f"{_called(champion)} is the champion. Serving follows within seconds."


async def challenged(settings: Settings, named: str, share: float | None) -> str:
    """`share` None: the challenge ends."""
    async with house(settings) as home:
        row = await find(home.db, named)
        async with versions.transaction(home.db, Scope.parse(row.scope)) as tx:
            if share is None:
                row = await versions.stand_down(tx, home.objects, row.id)
            else:
                row = await versions.challenge(tx, home.objects, row.id, share=share)
        await _mirror(home, row)
    if share is None:
        return f"{_called(row)} challenges nobody."
    return f"{_called(row)} answers {share:.0%} of the deals." if share else f"{_called(row)} answers in the shadow."


async def synced(settings: Settings) -> int:
    """Write every pointer again and let MLflow's aliases follow: after a crash, or promotions over HTTP. How many.
    Candidates that killed jobs left behind are retired."""
    async with house(settings) as home:
        async with home.db.system() as tx:
            rows = await repository.bearers(tx)
            left = await repository.unjudged(tx, None, tx.clock.now() - versions.LEFT_AFTER)
        for name in {row.scope for row in left}:
            scope = Scope.parse(name)
            async with versions.transaction(home.db, scope) as tx:
                await versions.sweep(tx, scope)
        for row in rows:
            async with versions.transaction(home.db, Scope.parse(row.scope)) as tx:
                await versions.republish(tx, home.objects, row.id)
            await _mirror(home, row)
    return len(rows)


async def find(db: Database, named: str) -> ModelVersion:
    async with db.system() as tx:
        name, at, number = named.rpartition("@")
        if at and number.isdigit():
            return await repository.numbered(tx, name, int(number))
        try:
            return await repository.version(tx, UUID(named))
        except ValueError:
            raise BadInput("Name a version as in forecast-global@3, or by its id; `salesedge models list`.") from None


async def _mirror(home: House, row: ModelVersion) -> None:
    from cluster.training import registry

    await mirror(home.db, await asyncio.to_thread(registry, home.settings), row.context, Scope.parse(row.scope))


def _line(row: ModelVersion) -> str:
    mark = "*" if row.alias == "champion" else " "
    measured = "  ".join(f"{name} {row.metrics[name]:.3f}" for name in ("auc", "brier", "ece") if name in row.metrics)
    return f"{mark} {_called(row):52} {row.status:10} {row.algorithm:9} {row.created_at:%Y-%m-%d %H:%M}  {measured}"


def _called(row: ModelVersion) -> str:
    return f"{row.name}@{row.version}"
