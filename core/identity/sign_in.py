"""E-mail, password and perhaps a second factor for a session."""

from __future__ import annotations

from core.identity import throttle
from core.identity.factors.second_factor import SecondFactors, Verdict
from core.identity.schemas import LogIn
from core.identity.sessions import Lifetimes, Opened, Origin, open_session
from core.identity.sso import repository as sso
from core.kit.db import Database
from core.kit.errors import Conflict, SecondFactorNeeded, Unauthenticated
from core.kit.security import verify_password
from core.ports import RateLimiter
from core.tenants import repository as tenants
from core.tenants.permissions import Roles


async def sign_in(
    db: Database, roles: Roles, factors: SecondFactors, limiter: RateLimiter, given: LogIn, *, origin: Origin,
    lifetimes: Lifetimes,
) -> Opened:  # fmt: skip
    """Raises `Unauthenticated`, without telling whether the address or the password was wrong; `SecondFactorNeeded`
    where both are right; `TooManyRequests`."""
    account = await _account(db, limiter, given, origin)
    async with db.tenant(account.tenant_id) as tx:
        if await sso.refuses_password(tx, account.user_id):
            raise Unauthenticated("Your company signs in by its own identity provider. Begin there.")
        match await factors.check(tx, account.user_id, given.code):
            case Verdict.NEEDED:
                raise SecondFactorNeeded("Send `code` as well: of your authenticator, or a recovery code.")
            case Verdict.WRONG:
                raise Unauthenticated("The code is wrong, or was used before. Send the one that is shown now.")
        await tenants.note_login(tx, account.user_id, tx.clock.now())
        return await open_session(
            tx, account.user_id, account.roles, roles, method="password", origin=origin, lifetimes=lifetimes
        )


async def _account(db: Database, limiter: RateLimiter, given: LogIn, origin: Origin) -> tenants.Account:
    anywhere = await throttle.attempt(limiter, given.email, origin.address)
    async with db.system() as tx:
        accounts = await tenants.accounts_by_email(tx, given.email)
    if given.tenant is not None:
        accounts = [account for account in accounts if account.tenant_slug == given.tenant]
    if not anywhere:
        await throttle.only_known(db, accounts, origin.address)
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
