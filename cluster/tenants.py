"""What whoever runs the installation does about whole companies."""

from __future__ import annotations

from core import bootstrap
from core.identity.people import companies
from core.settings import Settings
from core.tenants.model import Tenant


async def listed(settings: Settings) -> list[Tenant]:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        return await companies.listed(db)
    finally:
        await db.close()


async def suspend(settings: Settings, slug: str) -> int:
    """How many sessions ended."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        return await companies.suspend(db, slug)
    finally:
        await db.close()


async def resume(settings: Settings, slug: str) -> None:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        await companies.resume(db, slug)
    finally:
        await db.close()
