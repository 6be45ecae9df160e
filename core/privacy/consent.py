"""Whether something may be done with what a contact says: his own word first, else what the tenant states for all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.calls import repository as calls
from core.datascience.features.store import FeatureStore
from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.errors import Conflict, FieldProblem, Invalid
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.ports import ConsentPurpose, Consents
from core.privacy import repository
from core.privacy.model import Consent
from core.privacy.schemas import PURPOSES, Basis, Purpose, Standing


class RecordedConsents:
    """`Consents`, from the tables of consents and settings."""

    async def allows(self, tx: Tx, contact_id: UUID | None, purpose: ConsentPurpose) -> bool:
        return (await standing(tx, contact_id, purpose)).allowed

    async def objects(self, tx: Tx, contact_id: UUID, purpose: ConsentPurpose) -> bool:
        newest = await repository.newest_consent(tx, contact_id, purpose)
        if newest is not None:
            return newest.withdrawn_at is not None
        return (await standing(tx, contact_id, purpose)).erased_before


async def standing(tx: Tx, contact_id: UUID | None, purpose: Purpose) -> Standing:
    """What holds now. Of somebody who was erased before and came back, nothing is presumed: he is asked."""
    newest = await repository.newest_consent(tx, contact_id, purpose) if contact_id else None
    settings = await repository.settings(tx)
    known = [tombstone(settings.salt, email) for email in await repository.contact_emails(tx, contact_id)] if contact_id else []  # fmt: skip # noqa: E501
    erased = bool(known) and await repository.is_buried(tx, known)
    if newest is not None:
        given = newest.withdrawn_at is None
        return _standing(purpose, given, newest.basis, "contact", erased)
    basis: str = getattr(settings, f"{purpose}_basis")
    return _standing(purpose, basis != "consent" and not erased, basis, "tenant", erased)


def _standing(purpose: Purpose, allowed: bool, basis: str, by: str, erased: bool) -> Standing:
    return Standing.model_validate(
        {
            "purpose": purpose, "allowed": allowed, "basis": basis if allowed else None, "stated_by": by,
            "erased_before": erased,
        }
    )  # fmt: skip


async def all_standings(tx: Tx, contact_id: UUID) -> list[Standing]:
    await deals.contact(tx, contact_id)
    return [await standing(tx, contact_id, purpose) for purpose in PURPOSES]


async def give(
    tx: Tx, contact_id: UUID, purpose: Purpose, basis: Basis, evidence: str, *, given_at: datetime | None = None
) -> Consent:
    await deals.contact(tx, contact_id)
    now = tx.clock.now()
    if given_at is not None and given_at > now:
        problem = FieldProblem("body.given_at", "lies in the future")
        raise Invalid("A consent counts from when it was given.", problems=[problem])
    row = await _record(tx, contact_id, purpose, basis, evidence, given_at=given_at or now, withdrawn_at=None)
    tx.audit("consent.given", f"contact:{contact_id}", after={"purpose": purpose, "basis": basis})
    await tx.emit(Event(EventType.CONSENT_GIVEN, tx.tenant_id, contact_id, {"purpose": purpose}, at=now))
    return row


async def withdraw(tx: Tx, contact_id: UUID, purpose: Purpose, evidence: str | None) -> Consent:
    """Also an objection (LGPD art. 18 § 2, GDPR art. 21) to what the tenant states for all."""
    await deals.contact(tx, contact_id)
    before = await repository.newest_consent(tx, contact_id, purpose)
    basis = before.basis if before else str(getattr(await repository.settings(tx), f"{purpose}_basis"))
    given_at = before.given_at if before else None
    row = await _record(tx, contact_id, purpose, basis, evidence, given_at=given_at, withdrawn_at=tx.clock.now())
    tx.audit("consent.withdrawn", f"contact:{contact_id}", after={"purpose": purpose})
    return row


async def _record(
    tx: Tx, contact_id: UUID, purpose: str, basis: str, evidence: str | None, *, given_at: datetime | None,
    withdrawn_at: datetime | None,
) -> Consent:  # fmt: skip
    row = Consent(
        id=new_id(), tenant_id=tx.tenant_id, contact_id=contact_id, purpose=purpose, basis=basis, given_at=given_at,
        withdrawn_at=withdrawn_at, evidence=evidence, recorded_by=tx.actor.user_id if tx.actor else None,
        recorded_at=tx.clock.now(),
    )  # fmt: skip
    await repository.add(tx, row)
    return row


def tombstone(salt: bytes, email: str) -> bytes:
    """HMAC-SHA-256 (RFC 2104) of the address in lower case."""
    return hmac.digest(salt, email.lower().encode(), hashlib.sha256)


# ── in the life of a call ────────────────────────────────────────────────────────────────────────────────────────────


async def may_analyse(tx: Tx, call_id: UUID, consents: Consents, features: FeatureStore) -> bool:
    """May this call be heard and analysed, now? Holds the call's row until the transaction ends.

    Where somebody on it has no basis, the call is `stored`, says why, and keeps nothing that was made of its sound.
    """
    call = await calls.call(tx, call_id, lock=True)
    if call.status == "erased":
        return False
    why = await _against(tx, consents, "analysis", call.deal_id, repository.customers(call))
    if why is None:
        return True
    await repository.forget_results(tx, [call_id])
    await features.forget(tx, [call_id])
    await calls.set_status(tx, call_id, "stored", error=why)
    return False


class RecordedBasis:
    """`MayRecord`, from the same tables."""

    async def __call__(
        self, tx: Tx, deal_id: UUID | None, emails: Sequence[str], *,
        purposes: Sequence[ConsentPurpose] = ("recording",),
    ) -> None:  # fmt: skip
        named = [email.lower() for email in emails]
        for purpose in purposes:
            if await _against(tx, RecordedConsents(), purpose, deal_id, named) is not None:
                record = "record" if purpose == "recording" else "analyse what is said by"
                raise Conflict(
                    f"There is no basis to {record} somebody on this call, so it cannot be kept. Record a consent of "
                    "the contact first, and name him on the call or its deal."
                )


async def _against(
    tx: Tx, consents: Consents, purpose: ConsentPurpose, deal_id: UUID | None, emails: Sequence[str]
) -> str | None:
    """Why a call must not be used so; None where everybody on it has a basis. Who was erased and is named again without
    being a contact is asked first, like all who come back."""
    contacts: list[UUID | None] = list(await repository.contacts_of(tx, deal_id, emails))
    for contact_id in contacts or [None]:
        if not await consents.allows(tx, contact_id, purpose):
            return _why(contact_id)
    strangers = set(emails).difference(*[await repository.contact_emails(tx, one) for one in contacts if one])
    salt = (await repository.settings(tx)).salt
    if strangers and await repository.is_buried(tx, [tombstone(salt, email) for email in strangers]):
        return "Somebody on this call was erased before. Make him a contact again and record a consent."
    return None


def _why(contact_id: UUID | None) -> str:
    if contact_id is None:
        return (
            "Nobody on this call is known, and there is no basis to analyse what people say without asking them. "
            "Name the contact on its deal and record a consent."
        )
    return (
        f"There is no basis to analyse what contact {contact_id} says. "
        f"Record one at POST /v1/contacts/{contact_id}/consents, and the call is analysed."
    )


async def resume(tx: Tx, contact_id: UUID | None) -> int:
    """There is a new basis, of a contact or (None) of the tenant: the calls that waited for one go on."""
    waiting = await repository.stored_calls(tx, contact_id)
    for call in waiting:
        await calls.set_status(tx, call.id, "uploaded")
        await tx.emit(Event(EventType.CALL_UPLOADED, tx.tenant_id, call.id, at=tx.clock.now()))
    return len(waiting)
