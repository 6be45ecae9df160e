"""The queries about sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from core.identity.factors.model import SecondFactor
from core.identity.model import RefreshToken, Session
from core.kit.db import Tx
from core.tenants.model import Tenant, User


@dataclass(frozen=True, slots=True)
class Standing:
    """What a session's user may do at this moment."""

    user_id: UUID
    roles: tuple[str, ...]
    begun: datetime
    authenticated_at: datetime
    method: str
    second_factor: bool


async def add(tx: Tx, row: Session | RefreshToken) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def standing(tx: Tx, session_id: UUID) -> Standing | None:
    """None where the session has ended, or its user or his company may not come in any more."""
    query = (
        select(
            User.id,
            User.roles,
            Session.created_at,
            Session.authenticated_at,
            Session.method,
            SecondFactor.confirmed_at.is_not(None),
        )
        .join(Session, Session.user_id == User.id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
        .where(Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > tx.clock.now())
        .where(User.is_active, Tenant.suspended_at.is_(None))
    )
    row = (await tx.session.execute(query)).one_or_none()
    return Standing(row[0], tuple(row[1]), *row[2:]) if row else None


async def sessions_of(tx: Tx, user_id: UUID) -> list[Session]:
    """Those that are still good, the last used first."""
    query = (
        select(Session)
        .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > tx.clock.now())
        .order_by(Session.last_used_at.desc(), Session.id.desc())
    )
    return list((await tx.session.execute(query)).scalars())


async def origins(tx: Tx, user_id: UUID, *, since: datetime) -> list[tuple[str | None, str | None]]:
    """Addresses and user agents of all sessions that were used since then."""
    query = select(Session.address, Session.user_agent).where(Session.user_id == user_id, Session.last_used_at > since)
    return [(address, agent) for address, agent in await tx.session.execute(query.distinct())]


async def last_place(tx: Tx, user_id: UUID) -> tuple[float, float, datetime] | None:
    """Latitude, longitude and time of the last session whose place is known, however it ended."""
    query = (
        select(Session.latitude, Session.longitude, Session.last_used_at)
        .where(Session.user_id == user_id, Session.latitude.is_not(None), Session.longitude.is_not(None))
        .order_by(Session.last_used_at.desc(), Session.id.desc())
        .limit(1)
    )
    row = (await tx.session.execute(query)).one_or_none()
    return (row[0], row[1], row[2]) if row and row[0] is not None and row[1] is not None else None


async def take(tx: Tx, token_id: UUID, secret_hash: bytes) -> UUID | None:
    """Use up a refresh token, for exactly one of any number of callers; returns its session."""
    query = (
        update(RefreshToken)
        .where(RefreshToken.id == token_id, RefreshToken.secret_hash == secret_hash, RefreshToken.used_at.is_(None))
        .values(used_at=tx.clock.now())
        .returning(RefreshToken.session_id)
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def refresh_token(tx: Tx, token_id: UUID, secret_hash: bytes) -> RefreshToken | None:
    query = select(RefreshToken).where(RefreshToken.id == token_id, RefreshToken.secret_hash == secret_hash)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def note_use(tx: Tx, session_id: UUID, expires_at: datetime) -> None:
    query = update(Session).where(Session.id == session_id)
    await tx.session.execute(query.values(last_used_at=tx.clock.now(), expires_at=expires_at))


async def note_authenticated(tx: Tx, session_id: UUID) -> None:
    await tx.session.execute(update(Session).where(Session.id == session_id).values(authenticated_at=tx.clock.now()))


async def revoke(
    tx: Tx, why: str, *, session_id: UUID | None = None, user_id: UUID | None = None, but: UUID | None = None
) -> int:
    """End one session, or all of a user but one; returns how many ended."""
    query = update(Session).where(Session.revoked_at.is_(None))
    if session_id is not None:
        query = query.where(Session.id == session_id)
    if user_id is not None:
        query = query.where(Session.user_id == user_id)
    if but is not None:
        query = query.where(Session.id != but)
    ended = await tx.session.execute(query.values(revoked_at=tx.clock.now(), revoked_why=why).returning(Session.id))
    return len(ended.all())
