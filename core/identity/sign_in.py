"""E-mail and password for a session."""

from __future__ import annotations

from core.identity.schemas import LogIn
from core.identity.sessions import Lifetimes, Opened, Origin, open_session
from core.identity.sso import repository as sso
from core.kit.db import Database
from core.kit.errors import Conflict, Unauthenticated
from core.kit.security import verify_password
from core.tenants import repository as tenants
from core.tenants.permissions import Roles


async def sign_in(db: Database, roles: Roles, given: LogIn, *, origin: Origin, lifetimes: Lifetimes) -> Opened:
    """Raises `Unauthenticated`, without telling whether the address or the password was wrong."""
    account = await _account(db, given)
    async with db.tenant(account.tenant_id) as tx:
        if await sso.refuses_password(tx, account.user_id):
            raise Unauthenticated("Your company signs in by its own identity provider. Begin there.")
        await tenants.note_login(tx, account.user_id, tx.clock.now())
        return await open_session(
            tx, account.user_id, account.roles, roles, method="password", origin=origin, lifetimes=lifetimes
        )


async def _account(db: Database, given: LogIn) -> tenants.Account:
    async with db.system() as tx:
        accounts = await tenants.accounts_by_email(tx, given.email)
    if given.tenant is not None:
        accounts = [account for account in accounts if account.tenant_slug == given.tenant]
    # With nobody of that name the password is hashed all the same: time must not tell.
    candidates: list[tenants.Account | None] = [*accounts] or [None]
    found = [
        account
        for account in candidates
        if await verify_password(given.password, account.password_hash if account else None) and account
    ]
    good = [account for account in found if account.is_active]
    if not good:
        raise Unauthenticated("E-mail or password is wrong.")
    if len(good) > 1:
        raise Conflict("This address belongs to several tenants. Send `tenant`, the short name of the one you mean.")
    return good[0]
