"""Sessions: opened at log-in, carried on by refresh tokens that work once, ended by people or by a token used twice.

Refresh token rotation with re-use detection follows RFC 9700 §4.14.2. The token names its tenant, so that it is looked
up behind the tenant's row-level security like everything else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.identity import devices, repository
from core.identity.factors.second_factor import SecondFactors, Verdict
from core.identity.model import RefreshToken, Session
from core.kit.db import Actor, Database, Tx
from core.kit.errors import Forbidden, NotFound, Unauthenticated
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.security import Identity, verify_password
from core.ports import Place
from core.tenants import repository as tenants
from core.tenants.permissions import Roles

PREFIX = "ser_"
MOST_SESSIONS = 20
"""Of one user at a time."""
_SECRET_BYTES = 32
_GRACE = timedelta(seconds=10)
"""A token that is used again so soon was sent twice by a hasty client: it is refused, and nobody is logged out."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from; `place`: of the address, where somebody knows it."""

    address: str | None
    user_agent: str | None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts unused, and at most (seconds)."""

    idle_s: int
    most_s: int

    def end(self, begun: datetime, now: datetime) -> datetime:
        return min(begun + timedelta(seconds=self.most_s), now + timedelta(seconds=self.idle_s))


@dataclass(frozen=True, slots=True)
class Opened:
    """What a client gets: who he is now, and the token for the time after the access token."""

    identity: Identity
    refresh_token: str


async def open_session(
    tx: Tx, user_id: UUID, roles: tuple[str, ...], table: Roles, *, method: str, origin: Origin, lifetimes: Lifetimes
) -> Opened:
    """In a transaction of the user's tenant. Of too many sessions the one that was unused longest ends. Raises
    `Forbidden` where the tenant is suspended."""
    if (await tenants.tenant(tx)).suspended_at is not None:
        raise Forbidden("Your company's account is suspended. Ask your administrator, or us.")
    now = tx.clock.now()
    tx.actor = tx.actor or Actor(user_id, "user", origin.address)
    seen, last = await devices.seen(tx, user_id), await repository.last_place(tx, user_id)
    place = origin.place
    row = Session(
        id=new_id(), tenant_id=tx.tenant_id, user_id=user_id, method=method, address=origin.address,
        user_agent=(origin.user_agent or "")[:300] or None, place=place.name if place else None,
        latitude=place.latitude if place else None, longitude=place.longitude if place else None, created_at=now,
        authenticated_at=now, last_used_at=now, expires_at=lifetimes.end(now, now),
    )  # fmt: skip
    await repository.add(tx, row)
    for old in (await repository.sessions_of(tx, user_id))[MOST_SESSIONS:]:
        await repository.revoke(tx, "too_many", session_id=old.id)
    is_new = bool(seen) and (devices.network(origin.address), row.user_agent) not in seen
    await _tell_anomaly(tx, row, is_new, devices.too_far(devices.Sighting(*last) if last else None, place, now))
    tx.audit("session.opened", f"user:{user_id}", after={"method": method, "session": str(row.id)})
    identity = Identity(user_id, tx.tenant_id, roles, table.scopes(roles), row.id)
    return Opened(identity, await _issue(tx, row.id))


async def _tell_anomaly(tx: Tx, row: Session, is_new: bool, km: int | None) -> None:
    """Impossible travel is said where it is one, and not again as a new device."""
    subject = f"user:{row.user_id}"
    about: dict[str, object] = {"user_id": str(row.user_id)}
    if km is not None:
        tx.audit("session.impossible_travel", subject, after={"session": str(row.id), "distance_km": km})
        about |= {"kind": "impossible_travel", "distance_km": km}
    elif is_new:
        tx.audit("session.from_new_device", subject, after={"session": str(row.id)})
    else:
        return
    await tx.emit(Event(EventType.SIGN_IN_ANOMALY, tx.tenant_id, row.id, about, at=row.created_at))


async def refresh(db: Database, token: str, table: Roles, *, lifetimes: Lifetimes) -> Opened:
    """Exchange a refresh token for the next. Raises `Unauthenticated`; a token used before ends its whole family."""
    tenant_id, token_id, hashed = _parse(token)
    async with db.tenant(tenant_id) as tx:
        session_id = await repository.take(tx, token_id, hashed)
        if session_id is not None:
            standing = await repository.standing(tx, session_id)
            if standing is not None:
                await repository.note_use(tx, session_id, lifetimes.end(standing.begun, tx.clock.now()))
                scopes = table.scopes(standing.roles)
                identity = Identity(standing.user_id, tenant_id, standing.roles, scopes, session_id)
                return Opened(identity, await _issue(tx, session_id))
        else:
            # Committed, not raised: the refusal comes after the transaction.
            await _suspect(tx, token_id, hashed)
    raise Unauthenticated("The refresh token is not good, or was used before. Log in again.")


async def reauthenticate(
    tx: Tx, identity: Identity, factors: SecondFactors, password: str, code: str | None = None
) -> None:
    """Note that the person is there. Raises `Forbidden`: a wrong password here ends nothing."""
    user = await tenants.user(tx, identity.user_id)
    if identity.session_id is None or not await verify_password(password, user.password_hash):
        raise Forbidden("The password is wrong.")
    if await factors.check(tx, identity.user_id, code) in (Verdict.NEEDED, Verdict.WRONG):
        raise Forbidden("Send the `code` that your authenticator shows now, or a recovery code.")
    await repository.note_authenticated(tx, identity.session_id)


async def end(tx: Tx, session_id: UUID, *, user_id: UUID, why: str) -> None:
    """Raises `NotFound` for a session that is not this user's or has ended."""
    if not await repository.revoke(tx, why, session_id=session_id, user_id=user_id):
        raise NotFound("There is no such session; it may have ended.")
    tx.audit("session.ended", f"user:{user_id}", after={"session": str(session_id), "why": why})


async def end_all(tx: Tx, user_id: UUID, *, why: str, but: UUID | None = None) -> int:
    """All sessions of a user, except perhaps the one that asks."""
    count = await repository.revoke(tx, why, user_id=user_id, but=but)
    if count:
        tx.audit("session.all_ended", f"user:{user_id}", after={"count": count, "why": why})
    return count


async def _suspect(tx: Tx, token_id: UUID, hashed: bytes) -> None:
    known = await repository.refresh_token(tx, token_id, hashed)
    if known is None or known.used_at is None or tx.clock.now() - known.used_at <= _GRACE:
        return
    if await repository.revoke(tx, "refresh_reused", session_id=known.session_id):
        tx.audit("session.refresh_reused", f"session:{known.session_id}")


async def _issue(tx: Tx, session_id: UUID) -> str:
    secret = secrets.token_bytes(_SECRET_BYTES)
    row = RefreshToken(
        id=new_id(), tenant_id=tx.tenant_id, session_id=session_id, secret_hash=hashlib.sha256(secret).digest(),
        created_at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, row)
    return PREFIX + base64.urlsafe_b64encode(tx.tenant_id.bytes + row.id.bytes + secret).decode()


def _parse(token: str) -> tuple[UUID, UUID, bytes]:
    try:
        raw = base64.b64decode(token.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not token.startswith(PREFIX) or len(raw) != 32 + _SECRET_BYTES:
        raise Unauthenticated("That is no refresh token of ours. Log in again.")
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), hashlib.sha256(raw[32:]).digest()
