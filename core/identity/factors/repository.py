"""The queries about second factors and recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from core.identity.factors.model import RecoveryCode, SecondFactor
from core.kit.db import Tx
from core.kit.ids import new_id


async def add(tx: Tx, row: SecondFactor) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def factor(tx: Tx, user_id: UUID, *, lock: bool = False) -> SecondFactor | None:
    query = select(SecondFactor).where(SecondFactor.user_id == user_id)
    if lock:
        query = query.with_for_update()
    return (await tx.session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def remove(tx: Tx, user_id: UUID) -> None:
    await tx.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    await tx.session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))


async def use_step(tx: Tx, user_id: UUID, step: int) -> bool:
    """Use up a time step and all before it, for exactly one of any number of callers."""
    query = (
        update(SecondFactor)
        .where(SecondFactor.user_id == user_id, SecondFactor.last_step < step)
        .values(last_step=step)
        .returning(SecondFactor.id)
    )
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def use_recovery_code(tx: Tx, user_id: UUID, code_hash: bytes) -> bool:
    """For exactly one of any number of callers."""
    query = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None))
        .values(used_at=tx.clock.now())
        .returning(RecoveryCode.id)
    )
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def replace_recovery_codes(tx: Tx, user_id: UUID, hashes: Iterable[bytes]) -> None:
    await tx.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    rows = [{"id": new_id(), "tenant_id": tx.tenant_id, "user_id": user_id, "code_hash": one} for one in hashes]
    await tx.session.execute(insert(RecoveryCode), rows)


async def recovery_codes_left(tx: Tx, user_id: UUID) -> int:
    query = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return int((await tx.session.execute(query)).scalar_one())
