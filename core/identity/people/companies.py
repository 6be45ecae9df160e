"""A whole company suspended and let in again, by whoever runs the installation: no route does it."""

from __future__ import annotations

from core.identity import repository
from core.kit.db import Database, Tx
from core.kit.errors import Conflict, NotFound
from core.tenants import repository as tenants
from core.tenants.model import Tenant


async def listed(db: Database) -> list[Tenant]:
    """By slug."""
    async with db.system() as tx:
        return await tenants.all_tenants(tx)


async def suspend(db: Database, slug: str) -> int:
    """Nobody comes in any more, by whatever way; returns how many sessions ended. Its data stays, and what was begun is
    finished. Raises `NotFound`, `Conflict`."""
    async with db.system() as tx:
        tenant = await _enter(tx, slug)
        if tenant.suspended_at is not None:
            raise Conflict(f"{slug} is suspended since {tenant.suspended_at:%Y-%m-%d %H:%M} UTC.")
        tenant.suspended_at = tx.clock.now()
        ended = await repository.revoke(tx, "tenant_suspended")
        tx.audit("tenant.suspended", f"tenant:{tenant.id}", after={"sessions_ended": ended})
        return ended


async def resume(db: Database, slug: str) -> None:
    """Everybody may log in again; no old session comes back. Raises `NotFound`, `Conflict`."""
    async with db.system() as tx:
        tenant = await _enter(tx, slug)
        if tenant.suspended_at is None:
            raise Conflict(f"{slug} is not suspended.")
        tenant.suspended_at = None
        tx.audit("tenant.resumed", f"tenant:{tenant.id}")


async def _enter(tx: Tx, slug: str) -> Tenant:
    tenant_id = await tenants.find_tenant_id(tx, slug)
    if tenant_id is None:
        raise NotFound(f"There is no tenant {slug}. `salesedge tenants list` names them.")
    await tx.become(tenant_id)
    return await tenants.tenant(tx)
