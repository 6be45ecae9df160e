"""E-mail and password for an identity."""

from __future__ import annotations

from core.kit.db import Database
from core.kit.errors import Conflict, Unauthenticated
from core.kit.security import Identity, verify_password
from core.tenants import repository
from core.tenants.permissions import Roles
from core.tenants.schemas import LogIn


async def log_in(db: Database, roles: Roles, given: LogIn) -> Identity:
    """Raises `Unauthenticated`, without telling whether the address or the password was wrong."""
    async with db.system() as tx:
        accounts = await repository.accounts_by_email(tx, given.email)
    if given.tenant is not None:
        accounts = [account for account in accounts if account.tenant_slug == given.tenant]
    # With nobody of that name the password is hashed all the same: time must not tell.
    candidates: list[repository.Account | None] = [*accounts] or [None]
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
    account = good[0]
    async with db.tenant(account.tenant_id) as tx:
        await repository.note_login(tx, account.user_id, tx.clock.now())
    return Identity(account.user_id, account.tenant_id, account.roles, roles.scopes(account.roles))
