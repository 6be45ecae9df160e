"""What a person does about audit trails: put down their heads, and check them."""

from __future__ import annotations

from uuid import UUID

from core import bootstrap
from core.audit.anchors import Seal
from core.audit.anchors import anchor as put_down
from core.audit.verify import Verified
from core.audit.verify import verify as check
from core.settings import Settings


def seal(settings: Settings) -> Seal:
    key = settings.auth.signing_key
    assert key is not None, "settings.load() sees to it"
    return Seal(key.get_secret_value())


async def anchor(settings: Settings) -> int:
    """How many heads had moved."""
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        return await put_down(db, bootstrap.object_store(settings), seal(settings))
    finally:
        await db.close()


async def verify(settings: Settings, tenant_id: UUID | None = None) -> Verified:
    db = bootstrap.database(settings, bootstrap.database_url(settings))
    try:
        return await check(db, bootstrap.object_store(settings), seal(settings), tenant_id)
    finally:
        await db.close()
