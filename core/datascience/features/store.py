"""Write features with what they follow from, and read the newest ones in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Protocol
from uuid import UUID

from core.datascience.features import repository
from core.datascience.features.history import file_key
from core.datascience.features.kinds import checked
from core.datascience.features.repository import Before
from core.datascience.features.row import Given, Key, Stored, fill, pack, unpack
from core.kit.db import Database, Tx
from core.kit.ids import new_id
from core.ports import ObjectStore

NOTHING = b""
"""What is cached of an entity without values."""


class HotValues(Protocol):
    """Bytes by key that may be lost at any time, and are never older than what was committed. None of its methods
    raises: a server that is away holds nothing."""

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """None where nothing is held, or where somebody is about to write."""
        ...

    async def lease(self, keys: Sequence[str]) -> bytes | None:
        """Before looking elsewhere: claim the keys under which nothing stands."""
        ...

    async def claim(self, keys: Sequence[str]) -> bytes | None:
        """Before committing: nobody reads these from here, or fills them with what was before. None: not reached."""
        ...

    async def fill(self, claim: bytes, values: Mapping[str, bytes]) -> None:
        """Put values under the keys that are still claimed."""
        ...

    async def release(self, claim: bytes, keys: Sequence[str]) -> None:
        """Give up a claim: nothing is held there."""
        ...

    async def drop(self, keys: Sequence[str]) -> None:
        """After committing what could not be claimed: hold nothing there, as soon as it can be reached."""
        ...


class FeatureStore:
    """The one door to features. PostgreSQL is the truth; `hot` holds the newest values."""

    def __init__(self, db: Database, hot: HotValues, objects: ObjectStore) -> None:
        self._db = db
        self._hot = hot
        self._objects = objects
        self._code = _code()

    async def write(self, tx: Tx, rows: Sequence[Given]) -> int:
        """Those that say something new; returns how many. What is there already is not written again, so a repeated
        call changes nothing; other values at the same moment are a correction, a row of their own."""
        given = list({(row.key, row.at): _whole(row) for row in rows}.values())
        if not given:
            return 0
        await repository.lock(tx, {row.key for row in given})
        pairs = zip(given, await repository.before(tx, given), strict=True)
        fresh = [(row, there) for row, there in pairs if _differs(row, there)]
        if fresh:
            await self._claim(tx, sorted({_name(tx.tenant_id, row.key) for row, _ in fresh}), _newest(tx, fresh))
            await repository.add(tx, [self._row(tx, row, there) for row, there in fresh])
        return len(fresh)

    async def read(self, tenant_id: UUID, keys: Sequence[Key]) -> list[Stored | None]:
        """The newest values of each key as last committed, None where there are none. For who sees the whole tenant."""
        names = [_name(tenant_id, key) for key in keys]
        held = await self._hot.get(names)
        found = [_unpacked(key, raw) if raw is not None else None for key, raw in zip(keys, held, strict=True)]
        missing = [place for place, raw in enumerate(held) if raw is None]
        if missing:
            claim = await self._hot.lease([names[place] for place in missing])
            async with self._db.tenant(tenant_id) as tx:
                stored = await repository.newest(tx, [keys[place] for place in missing])
            for place, one in zip(missing, stored, strict=True):
                found[place] = one
            if claim is not None:
                await self._hot.fill(claim, {names[place]: _packed(keys[place], found[place]) for place in missing})
        return found

    async def forget(self, tx: Tx, entity_ids: Sequence[UUID]) -> int:
        """Everywhere: rows, what is held of them, and the files of history that they are in, which the next run of the
        archive makes anew. Returns how many rows there were."""
        keys, months = await repository.held_of(tx, entity_ids)
        if not keys:
            return 0
        await repository.lock_history(tx)
        await self._claim(tx, [_named(tx.tenant_id, *key) for key in keys], {})
        for month in months:
            await self._objects.delete(file_key(tx.tenant_id, month))
        return await repository.forget(tx, entity_ids)

    async def _claim(self, tx: Tx, names: Sequence[str], values: Mapping[str, bytes]) -> None:
        """From here on nobody finds these names held; once it is committed, those with values hold them."""
        if not names:
            return
        claim = await self._hot.claim(names)
        if claim is None:
            tx.on_commit(lambda: self._hot.drop(names))
            return
        tx.on_commit(lambda: self._hot.fill(claim, values))
        tx.on_commit(lambda: self._hot.release(claim, [name for name in names if name not in values]))
        tx.on_rollback(lambda: self._hot.release(claim, names))

    def _row(self, tx: Tx, row: Given, there: Before) -> dict[str, object]:
        now = tx.clock.now()
        what = row.feature_set
        # A correction was not known before it was made, whatever it is computed from.
        known_at = row.known_at if row.known_at is not None and there.same is None else now
        return {
            "id": new_id(), "tenant_id": tx.tenant_id, "entity": what.entity.value, "entity_id": row.entity_id,
            "feature_set": what.name, "version": what.version, "event_at": row.at, "written_at": now,
            "known_at": known_at, "cause": row.cause, "cause_type": row.cause_type, "module": what.module,
            "code": self._code, "values": dict(row.values),
        }  # fmt: skip


def _name(tenant_id: UUID, key: Key) -> str:
    return _named(tenant_id, key.feature_set.name, key.feature_set.version, key.entity_id)


def _named(tenant_id: UUID, feature_set: str, version: int, entity_id: UUID) -> str:
    return f"features:{tenant_id}:{feature_set}:{version}:{entity_id}"


def _whole(row: Given) -> Given:
    values = checked(row.feature_set, row.values)
    return Given(row.feature_set, row.entity_id, row.at, values, row.cause, row.cause_type, row.known_at)


def _differs(row: Given, there: Before) -> bool:
    return there.same is None or fill(row.feature_set, there.same) != row.values


def _newest(tx: Tx, fresh: Sequence[tuple[Given, Before]]) -> dict[str, bytes]:
    """What is to be held once it is committed: not what lies before what is there."""
    values: dict[str, bytes] = {}
    for row, there in sorted(fresh, key=lambda pair: pair[0].at):
        if there.newest_at is None or row.at >= there.newest_at:
            stored = Stored(row.at, tx.clock.now(), dict(row.values))
            values[_name(tx.tenant_id, row.key)] = pack(row.feature_set, stored)
    return values


def _packed(key: Key, stored: Stored | None) -> bytes:
    return NOTHING if stored is None else pack(key.feature_set, stored)


def _unpacked(key: Key, raw: bytes) -> Stored | None:
    return unpack(key.feature_set, raw) if raw else None


def _code() -> str:
    try:
        return metadata.version("salesedge")
    except metadata.PackageNotFoundError:
        return "0"
