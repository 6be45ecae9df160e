"""Begin a session: with a deal that one may see, a basis for it, and room for one more."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.kit.db import Tx
from core.kit.ids import new_id
from core.live import repository, wire
from core.live.door import LiveDoor
from core.live.facts import Facts
from core.live.model import LiveSessionRow
from core.ports import ConsentPurpose, FindDeal, Limits, MayRecord
from core.tenants import repository as tenants

PURPOSES: Sequence[ConsentPurpose] = ("recording", "analysis")


async def begin(
    tx: Tx, said: wire.Start, owner_id: UUID, *, door: LiveDoor, find_deal: FindDeal, may_record: MayRecord,
    limits: Limits,
) -> Facts:  # fmt: skip
    """Raises `NotFound` for the deal, `Conflict` where somebody on the call has no basis, `LimitReached`, and
    `Unavailable` where no host can hear one more."""
    if said.deal_id is not None:
        await find_deal(tx, said.deal_id)
    facts = Facts(
        session=new_id(), tenant_id=tx.tenant_id, owner_id=owner_id, deal_id=said.deal_id,
        language=said.language or (await tenants.tenant(tx)).locale[:2], encoding=said.encoding,
        sample_rate_hz=said.sample_rate_hz, channels=tuple(said.channels), title=said.title,
        participants=tuple(said.participants), started_at=tx.clock.now(),
    )  # fmt: skip
    await may_record(tx, facts.deal_id, facts.customer_emails, purposes=PURPOSES)
    await limits.check(tx.tenant_id, "call_minutes")
    row = LiveSessionRow(
        id=facts.session, tenant_id=facts.tenant_id, owner_id=owner_id, deal_id=facts.deal_id, status="running",
        language=facts.language, channels=len(facts.channels), started_at=facts.started_at,
    )  # fmt: skip
    await repository.add(tx, row)
    tx.on_rollback(lambda: door.store.forget(facts.session))
    await door.admit(facts)
    return facts
