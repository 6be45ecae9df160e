"""PostgreSQL: the declarative base, and the one door to a transaction.

A transaction belongs to one tenant (`Database.tenant`) or to the machinery (`Database.system`). Either way it runs
under a role that owns nothing; row-level security compares each row's `tenant_id` with the transaction's setting
`app.tenant_id`. Whoever opens the transaction commits it; everybody else only uses it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg import Error as PsycopgError
from sqlalchemy import DateTime, Uuid, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.util import await_only

from core.kit.clock import SystemClock
from core.kit.events import Event
from core.kit.ids import new_id
from core.kit.log import logger
from core.ports import Clock

log = logger("db")
APP_ROLE = "salesedge_app"
SYSTEM_ROLE = "salesedge_system"

_ENTER_SQL = "SELECT set_config('role', %(role)s, true), set_config('app.tenant_id', %(tenant)s, true)"
_ENTER = text("SELECT set_config('role', :role, true), set_config('app.tenant_id', :tenant, true)")

_UNASKED_S = 1.0
_SEE = text("SELECT set_config('app.sees', :sees, true), set_config('app.user_id', :user, true)")
Sees = Literal["own", "team", "tenant"]


class Base(DeclarativeBase):
    """Root of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class TenantOwned:
    """A row that belongs to exactly one tenant; the migration forces row-level security on its table."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts in a transaction, and from where."""

    user_id: UUID | None
    kind: str  # user | api_key | scim | system
    address: str | None = None
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line for the audit trail, as it was said."""

    action: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]


Trail = Callable[["Tx"], Awaitable[None]]
"""Writes down what `Tx.audit` was told, at the end of its transaction."""
Routes = Mapping[str, Sequence[tuple[str, bool, float]]]
"""Event type → the (reaction, ordered per tenant?, seconds to wait) that shall take it."""


class Tx:
    """One open transaction: the session, whose it is, and where it says what happened."""

    def __init__(self, session: AsyncSession, tenant_id: UUID | None, clock: Clock, routes: Routes) -> None:
        self.session = session
        self._tenant_id = tenant_id
        self.clock = clock
        self.routes = routes
        self.trace: str | None = None
        self.actor: Actor | None = None  # None: the machinery itself
        self.audited: list[Entry] = []
        self.undo: list[Callable[[], Awaitable[None]]] = []
        self.then: list[Callable[[], Awaitable[None]]] = []

    @property
    def tenant_id(self) -> UUID:
        if self._tenant_id is None:
            raise RuntimeError("a system transaction has no tenant: call become() first")
        return self._tenant_id

    @property
    def of_a_tenant(self) -> bool:
        """False: the machinery's, which sees what belongs to no tenant, and many."""
        return self._tenant_id is not None

    async def become(self, tenant_id: UUID) -> None:
        """Go on as the application inside one tenant, in the same transaction."""
        self._tenant_id = tenant_id
        await self.session.execute(_ENTER, {"role": APP_ROLE, "tenant": str(tenant_id)})

    async def see_as(self, user_id: UUID, sees: Sees) -> None:
        """From here on only what this user may see: his own, his team's, or all of the tenant."""
        if sees != "tenant":
            await self.session.execute(_SEE, {"sees": sees, "user": str(user_id)})

    def audit(
        self, action: str, subject: str, *, before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Say that somebody did `action` (such as `user.suspended`) to `subject` (such as `user:<id>`). Enters the
        trail with the commit. `before` and `after` hold the fields that changed, never a secret."""
        self.audited.append(Entry(action, subject, dict(before or {}), dict(after or {})))

    def on_rollback(self, undo: Callable[[], Awaitable[None]]) -> None:
        """Take back what was done outside of the database, should this transaction be undone."""
        self.undo.append(undo)

    def on_commit(self, then: Callable[[], Awaitable[None]]) -> None:
        """Do this once it is true. It may be lost with the process: what must follow is an event."""
        self.then.append(then)

    async def emit(self, fact: Event) -> None:
        """Write an event with the data it speaks of: both become true at commit, or neither."""
        from core.kit.outbox import write

        await write(self, fact)


class _Whose(Session):
    """Its `info` says in which role and tenant it runs."""


@event.listens_for(_Whose, "after_begin")
def _enter(session: Session, _transaction: Any, connection: Connection) -> None:
    """Lazily, with the first statement: a request that asks nothing of the database takes no connection."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, AsyncConnection)
    try:
        await_only(_entered(raw, session.info))
    except PsycopgError:
        connection.execute(_ENTER, session.info)  # raises as all else here does, and the pool learns of it


async def _entered(raw: AsyncConnection[Any], whose: Mapping[Any, Any]) -> None:
    """BEGIN and this go to the server together: it is asked once."""
    async with raw.pipeline():
        await raw.execute(_ENTER_SQL, whose)


class Database:
    """An engine and the two ways to begin a transaction."""

    def __init__(
        self, url: str, *, routes: Routes | None = None, trail: Trail | None = None, clock: Clock | None = None,
        pool_size: int = 5,
    ) -> None:  # fmt: skip
        self.url = url
        self.routes: Routes = routes or {}
        self.trail = trail
        self.clock: Clock = clock or SystemClock()
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"), pool_size=pool_size, max_overflow=pool_size * 2,
            pool_timeout=10, hide_parameters=True,
        )  # fmt: skip
        _ping_the_rested(self.engine)

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[Tx]:
        """A transaction of one tenant, committed at the end, rolled back on any error."""
        async with self._begin(APP_ROLE, tenant_id) as tx:
            yield tx

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Tx]:
        """A transaction of the machinery: may look up log-ins and move events, and nothing else."""
        async with self._begin(SYSTEM_ROLE, None) as tx:
            yield tx

    @asynccontextmanager
    async def _begin(self, role: str, tenant_id: UUID | None) -> AsyncIterator[Tx]:
        whose = {"role": role, "tenant": str(tenant_id) if tenant_id else ""}
        session = AsyncSession(self.engine, expire_on_commit=False, sync_session_class=_Whose, info=whose)
        async with session:
            tx = Tx(session, tenant_id, self.clock, self.routes)
            try:
                yield tx
                if tx.audited and self.trail is not None:
                    await self.trail(tx)
            except BaseException:
                try:
                    await session.rollback()
                finally:
                    await _all(tx.undo[::-1], after="rollback")
                raise
            # A commit that fails may yet have happened: nothing is taken back then.
            await session.commit()
            await _all(tx.then, after="commit")

    async def close(self) -> None:
        await self.engine.dispose()


def _ping_the_rested(engine: AsyncEngine) -> None:
    """A connection that lay idle for long may be dead. One that was just used is taken without asking it first."""

    @event.listens_for(engine.sync_engine, "checkin")
    def rest(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < _UNASKED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None  # the pool opens another


async def _all(doing: Sequence[Callable[[], Awaitable[None]]], *, after: str) -> None:
    for one in doing:
        try:
            await one()
        except Exception as error:
            log.warning("not_done_after_the_end", after=after, error=type(error).__name__)
