"""Passwords that are forgotten or changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.identity import repository as sessions_repository
from core.identity import sessions
from core.identity.factors.second_factor import SecondFactors, Verdict
from core.identity.people import repository
from core.identity.people.tokens import RESET, MailTokens, refused
from core.identity.sso import repository as sso
from core.kit.db import Actor, Database, Tx
from core.kit.errors import Forbidden
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.passwords import check_password
from core.kit.security import Identity, hash_password, verify_password
from core.tenants import repository as tenants
from core.tenants.model import User

GOOD_FOR = timedelta(minutes=30)


def expiry(asked: datetime) -> datetime:
    return asked + GOOD_FOR


async def forget(db: Database, email: str, slug: str | None) -> None:
    """A mail goes to each account of the address. Does as much where there is none: time must not tell."""
    async with db.system() as tx:
        accounts = await tenants.accounts_by_email(tx, email)
    chosen = [account for account in accounts if account.is_active and slug in (None, account.tenant_slug)]
    for tenant_id, user_id in [(one.tenant_id, one.user_id) for one in chosen] or [(new_id(), new_id())]:
        async with db.tenant(tenant_id) as tx:
            if not await sso.refuses_password(tx, user_id) and chosen:
                tx.actor = Actor(user_id, "user")
                tx.audit("password.reset_asked", f"user:{user_id}")
                await tx.emit(Event(EventType.PASSWORD_RESET_ASKED, tenant_id, user_id, at=tx.clock.now()))


async def reset(db: Database, tokens: MailTokens, token: str, password: str) -> None:
    """Ends all sessions. Raises `NotFound` for every token that is not good, `Invalid` for a weak password."""
    claim = tokens.read(RESET, token)
    async with db.tenant(claim.tenant_id) as tx:
        user = await repository.find_user(tx, claim.subject)
        if user is None or not user.is_active or claim.expired(tx.clock.now()):
            raise refused()
        claim.check(user.password_hash or "")
        tx.actor = Actor(user.id, "user")
        await _set(tx, user, password)
        await sessions.end_all(tx, user.id, why="password_reset")


async def change(tx: Tx, identity: Identity, factors: SecondFactors, *, old: str, new: str, code: str | None) -> None:
    """Ends all other sessions. Raises `Forbidden`, `Invalid`."""
    user = await repository.user(tx, identity.user_id)
    if identity.session_id is None or not await verify_password(old, user.password_hash):
        raise Forbidden("The old password is wrong.")
    if await factors.check(tx, user.id, code) in (Verdict.NEEDED, Verdict.WRONG):
        raise Forbidden("Send the `code` that your authenticator shows now, or a recovery code.")
    await _set(tx, user, new)
    await sessions.end_all(tx, user.id, why="password_changed", but=identity.session_id)
    await sessions_repository.note_authenticated(tx, identity.session_id)


async def _set(tx: Tx, user: User, password: str) -> None:
    tenant = await tenants.tenant(tx)
    await check_password(password, user.name, user.email, tenant.name)
    user.password_hash = await hash_password(password)
    tx.audit("password.changed", f"user:{user.id}")
    await tx.emit(Event(EventType.PASSWORD_CHANGED, tx.tenant_id, user.id, at=tx.clock.now()))
