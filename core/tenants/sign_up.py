"""A new tenant with its first administrator, in one transaction."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from core.kit.db import Database
from core.kit.errors import Conflict
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.passwords import check_password
from core.kit.security import Identity, hash_password
from core.tenants import repository
from core.tenants.model import Tenant, User
from core.tenants.permissions import Roles
from core.tenants.schemas import SignUp


async def sign_up(db: Database, roles: Roles, wanted: SignUp) -> Identity:
    """Raises `Conflict` where the slug is taken, `Invalid` for a weak password."""
    await check_password(wanted.password, wanted.name, wanted.email, wanted.company, wanted.slug)
    hashed = await hash_password(wanted.password)
    tenant_id, user_id = new_id(), new_id()
    try:
        async with db.tenant(tenant_id) as tx:
            await repository.add(
                tx,
                Tenant(
                    id=tenant_id, name=wanted.company, slug=wanted.slug, locale=wanted.locale,
                    time_zone=wanted.time_zone, currency=wanted.currency, created_at=tx.clock.now(),
                ),
            )  # fmt: skip
            await repository.add(
                tx,
                User(
                    id=user_id, tenant_id=tenant_id, email=wanted.email, name=wanted.name, password_hash=hashed,
                    roles=["ADMIN"], created_at=tx.clock.now(),
                ),
            )  # fmt: skip
            tx.audit("tenant.created", f"tenant:{tenant_id}", after={"administrator": str(user_id)})
            await tx.emit(Event(EventType.TENANT_CREATED, tenant_id, tenant_id, at=tx.clock.now()))
    except IntegrityError:
        raise Conflict(f"The short name {wanted.slug} is taken. Choose another `slug`.") from None
    return Identity(user_id, tenant_id, ("ADMIN",), roles.scopes(["ADMIN"]))
