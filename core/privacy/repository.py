"""The queries about persons, consents, retention and requests. What is asked of every table stands in `register`."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    LargeBinary,
    String,
    Table,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from core.analysis.model import CallInsights, Sentiment
from core.calls.model import Call, Transcript
from core.content.model import Draft
from core.deals.model import Contact, Deal
from core.kit.db import Base, Tx
from core.kit.errors import NotFound
from core.kit.ids import new_id
from core.kit.pages import PageRequest, newest_first
from core.privacy.model import Consent, PersonRequest, PrivacySettings, Tombstone
from core.privacy.person import Person, tell_apart
from core.tenants.model import User

if TYPE_CHECKING:
    from core.privacy.register import Holding

ERASED = "[erased]"
PREDICTION_DAYS = 730
"""How long the log of predictions is kept where the tenant says nothing."""
_NOBODY = "@erased.invalid"  # RFC 2606: a domain that never is

lower = func.lower

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def settings(tx: Tx) -> PrivacySettings:
    """The tenant's, made with what a new tenant states where it has none yet."""
    row = {
        "id": new_id(), "tenant_id": tx.tenant_id, "salt": secrets.token_bytes(32), "marketing_basis": "consent",
        "recording_basis": "legitimate_interest", "analysis_basis": "legitimate_interest",
        "prediction_days": PREDICTION_DAYS,
    }  # fmt: skip
    found = (await tx.session.execute(select(PrivacySettings))).scalar_one_or_none()
    if found is None:
        await tx.session.execute(upsert(PrivacySettings).values(row).on_conflict_do_nothing())
        found = (await tx.session.execute(select(PrivacySettings))).scalar_one()
    return found


# ── consents ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def add(tx: Tx, row: Consent | PersonRequest) -> None:
    tx.session.add(row)
    await tx.session.flush()


async def consents(tx: Tx, contact_id: UUID, page: PageRequest) -> list[Consent]:
    query = select(Consent).where(Consent.contact_id == contact_id)
    return list((await tx.session.execute(newest_first(query, Consent.id, page))).scalars())


async def newest_consent(tx: Tx, contact_id: UUID, purpose: str) -> Consent | None:
    """By when it was given or withdrawn, not by when somebody wrote it down."""
    query = select(Consent).where(Consent.contact_id == contact_id, Consent.purpose == purpose)
    at = func.coalesce(Consent.withdrawn_at, Consent.given_at)
    return (await tx.session.execute(query.order_by(at.desc(), Consent.id.desc()).limit(1))).scalar_one_or_none()


async def contact_emails(tx: Tx, contact_id: UUID) -> list[str]:
    query = select(func.lower(Contact.email)).where(Contact.id == contact_id, Contact.email.is_not(None))
    return list((await tx.session.execute(query)).scalars())


async def contacts_on_call(tx: Tx, call: Call) -> list[UUID]:
    """The contact of the call's deal, and the customers among its participants whose address is a contact's."""
    return await contacts_of(tx, call.deal_id, customers(call))


def customers(call: Call) -> list[str]:
    """Addresses of the customers on a call, in lower case."""
    return [str(p["email"]).lower() for p in call.participants if p.get("email") and p.get("side") == "customer"]


async def contacts_of(tx: Tx, deal_id: UUID | None, emails: Sequence[str]) -> list[UUID]:
    """The deal's contact, and those who have one of the addresses (in lower case)."""
    of_deal = Contact.id.in_(select(Deal.contact_id).where(Deal.id == deal_id))
    query = select(Contact.id).where(or_(of_deal, func.lower(Contact.email).in_(emails)))
    return list((await tx.session.execute(query.order_by(Contact.id))).scalars())


async def stored_calls(tx: Tx, contact_id: UUID | None) -> list[Call]:
    """Calls that wait for a basis: those of a contact, or all."""
    query = select(Call).where(Call.status == "stored").order_by(Call.id).with_for_update()
    if contact_id is not None:
        deals = select(Deal.id).where(Deal.contact_id == contact_id)
        query = query.where(or_(Call.deal_id.in_(deals), _took_part(Call.__table__, await contact_emails(tx, contact_id))))  # type: ignore[arg-type] # fmt: skip # noqa: E501
    return list((await tx.session.execute(query)).scalars())


async def forget_results(tx: Tx, call_ids: Sequence[UUID]) -> int:
    """Take away all that was made out of the calls' sound; returns how many had a transcript."""
    for table in (CallInsights, Sentiment):
        await tx.session.execute(delete(table).where(table.id.in_(call_ids)))
    gone = await tx.session.execute(delete(Transcript).where(Transcript.id.in_(call_ids)).returning(Transcript.id))
    return len(gone.all())


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def request(tx: Tx, request_id: UUID, kind: str, *, lock: bool = False) -> PersonRequest:
    found = await tx.session.get(PersonRequest, request_id, with_for_update=lock)
    if found is None or found.kind != kind:
        raise NotFound(f"There is no such {kind}.")
    return found


async def requests(tx: Tx, page: PageRequest, kind: str) -> list[PersonRequest]:
    query = select(PersonRequest).where(PersonRequest.kind == kind)
    return list((await tx.session.execute(newest_first(query, PersonRequest.id, page))).scalars())


async def set_failed(tx: Tx, request_id: UUID) -> None:
    await tx.session.execute(update(PersonRequest).where(PersonRequest.id == request_id).values(status="failed"))


async def live_copies(tx: Tx, *, expired_by: datetime | None = None, limit: int | None = None) -> list[PersonRequest]:
    """Copies whose file is there: all, or those whose time is over."""
    query = select(PersonRequest).where(PersonRequest.kind == "export", PersonRequest.object_key.is_not(None))
    if expired_by is not None:
        query = query.where(PersonRequest.expires_at <= expired_by)
    return list((await tx.session.execute(query.order_by(PersonRequest.id).limit(limit).with_for_update())).scalars())


async def bury(tx: Tx, hashes: Iterable[bytes]) -> None:
    rows = [{"id": new_id(), "tenant_id": tx.tenant_id, "email_hash": h, "erased_at": tx.clock.now()} for h in hashes]
    if rows:
        await tx.session.execute(upsert(Tombstone).values(rows).on_conflict_do_nothing())


async def is_buried(tx: Tx, hashes: Sequence[bytes]) -> bool:
    query = select(Tombstone.id).where(Tombstone.email_hash.in_(hashes)).limit(1)
    return (await tx.session.execute(query)).first() is not None


# ── a person ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def person(tx: Tx, wanted: PersonRequest, *, lock: bool = False) -> Person:
    """Everybody that the request means: a contact brings in those with his e-mail address, an address also its user.
    `lock`: nobody else writes what they say until the transaction ends."""
    given = [wanted.email.lower()] if wanted.email else []
    emails = set(given)
    if wanted.contact_id:
        emails |= set(await contact_emails(tx, wanted.contact_id))
    contacts = select(Contact).where(or_(Contact.id == wanted.contact_id, func.lower(Contact.email).in_(emails)))
    users = select(User).where(or_(User.id == wanted.user_id, func.lower(User.email).in_(given)))
    users = users.where(~User.email.endswith(_NOBODY))
    found = [*await _all(tx, contacts, lock), *await _all(tx, users, lock)]
    emails |= {row.email.lower() for row in found if row.email}
    contact_ids = tuple(row.id for row in found if isinstance(row, Contact))
    user_ids = tuple(row.id for row in found if isinstance(row, User))
    deal_ids = tuple((await tx.session.execute(select(Deal.id).where(Deal.contact_id.in_(contact_ids)))).scalars())
    calls = select(Call).where(
        or_(Call.deal_id.in_(deal_ids), Call.owner_id.in_(user_ids), _took_part(Call.__table__, sorted(emails)))  # type: ignore[arg-type]
    )
    on = await _all(tx, calls, lock)
    if lock:  # after the calls, as everybody does
        await _all(tx, select(Deal).where(Deal.id.in_(deal_ids)), lock)
    names = {" ".join(row.name.split()) for row in found}
    names |= {p["name"] for call in on for p in call.participants if str(p.get("email")).lower() in emails}
    phones = {row.phone for row in found if isinstance(row, Contact) and row.phone}
    taken = await _taken(tx, contact_ids, user_ids)
    words, common = tell_apart(names, emails, phones, taken=taken)
    return Person(
        contact_ids, user_ids, deal_ids, tuple(call.id for call in on), tuple(sorted(emails)), tuple(sorted(names)),
        words, common,
    )  # fmt: skip


async def _all(tx: Tx, query: Any, lock: bool) -> list[Any]:
    if lock:
        query = query.with_for_update()
    return list((await tx.session.execute(query, execution_options={"populate_existing": lock})).scalars())


async def _taken(tx: Tx, contact_ids: Sequence[UUID], user_ids: Sequence[UUID]) -> set[str]:
    """What the tenant's other people are called, in lower case."""
    others = [
        select(Contact.name, Contact.email, Contact.phone).where(Contact.id.not_in(contact_ids)),
        select(User.name, User.email, literal(None, String)).where(User.id.not_in(user_ids)),
    ]
    return {str(word).lower() for query in others for row in await tx.session.execute(query) for word in row if word}


def _took_part(calls: Table, emails: Sequence[str]) -> ColumnElement[bool]:
    there = "EXISTS (SELECT FROM jsonb_array_elements(calls.participants) p WHERE lower(p ->> 'email') = ANY(:emails))"
    return text(there).bindparams(bindparam("emails", list(emails), ARRAY(String)))  # type: ignore[return-value]


# ── the words of the register ────────────────────────────────────────────────────────────────────────────────────────


def drafts_about(table: Table, who: Person) -> ColumnElement[bool]:
    """Written to him, out of his words, or in his name."""
    his = select(Deal.id).where(Deal.owner_id.in_(who.user_ids))
    return or_(
        table.c.deal_id.in_(who.deal_ids), table.c.call_id.in_(who.call_ids), table.c.deal_id.in_(his)
    )  # fmt: skip


def answers_about(table: Table, who: Person) -> ColumnElement[bool]:
    """Stored answers that he got, or that speak of him."""
    said = [*map(str, (*who.contact_ids, *who.user_ids, *who.call_ids)), *who.emails, *who.names]
    like = literal([b"%" + word.encode() + b"%" for word in said], ARRAY(LargeBinary))
    return or_(table.c.user_id.in_(who.user_ids), table.c.body.op("LIKE", is_comparison=True)(any_(like)))


def others_on_call(table: Table, who: Person) -> ColumnElement[Any]:
    """The participants but for him."""
    rest = """(SELECT coalesce(jsonb_agg(p), '[]') FROM jsonb_array_elements(calls.participants) p
               WHERE NOT (coalesce(lower(p ->> 'email'), '') = ANY(:emails) OR lower(p ->> 'name') = ANY(:names)))"""
    return text(rest).bindparams(  # type: ignore[return-value]
        bindparam("emails", list(who.emails), ARRAY(String)),
        bindparam("names", [name.lower() for name in who.names], ARRAY(String)),
    )


def no_content(table: Table, who: Person) -> ColumnElement[Any]:
    """In the place of a recording's fingerprint: nothing that anybody could send again."""
    return func.concat("erased:", func.replace(cast(table.c.id, String), "-", ""))


def no_email(table: Table, who: Person) -> ColumnElement[Any]:
    return func.concat(cast(table.c.id, String), _NOBODY)


async def rows(tx: Tx, holding: Holding, who: Person) -> list[Mapping[str, Any]]:
    table = holding.of
    query = select(table).where(holding.rows(table, who)).order_by(*table.primary_key.columns)
    return [dict(row) for row in (await tx.session.execute(query)).mappings()]


async def erase(tx: Tx, holding: Holding, who: Person) -> int:
    """Do to the person's rows what the register says; returns how many there were."""
    table, his = holding.of, holding.rows(holding.of, who)
    if holding.delete:
        return _count(await tx.session.execute(delete(table).where(his)))
    if holding.blank:
        values = {name: value(table, who) if callable(value) else value for name, value in holding.blank.items()}
        return _count(await tx.session.execute(update(table).where(his).values(values)))
    if holding.cascades:
        return int((await tx.session.execute(select(func.count()).select_from(table).where(his))).scalar_one())
    return 0


async def strike_out(
    tx: Tx, table: str, column: str, words: Sequence[str], *, among: tuple[str, Sequence[UUID]] | None = None
) -> int:
    """Put `[erased]` for these words in one column of the tenant, or of the rows whose column `among` is one of these;
    whole words, in any case. Returns how many rows had them."""
    if not words:
        return 0
    of = Base.metadata.tables[table]
    target: Column[Any] = of.c[column]
    is_json = isinstance(target.type, JSONB)
    plain = cast(target, String) if is_json else target
    pattern = literal(_pattern(words, is_json=is_json))
    struck: ColumnElement[Any] = func.regexp_replace(plain, pattern, ERASED, "gi")
    query = update(of).where(plain.op("~*")(pattern)).values({column: cast(struck, JSONB) if is_json else struck})
    if among is not None:
        query = query.where(of.c[among[0]].in_(among[1]))
    return _count(await tx.session.execute(query))


def _pattern(words: Sequence[str], *, is_json: bool) -> str:
    """Each word with any space between its parts. PostgreSQL folds case as its locale does, which may be ASCII alone,
    so the usual spellings are named. In JSON a letter before a word may be the end of an escape such as `\\n`."""
    spelt = {form for word in words for form in (word, word.lower(), word.upper(), word.title())}
    inside = [json.dumps(form, ensure_ascii=False)[1:-1] if is_json else form for form in spelt]
    parts = [r"\s+".join(re.escape(part) for part in form.split()) for form in sorted(inside, key=len, reverse=True)]
    before = r"(?:(?<![[:alnum:]])|(?<=\\[nrtbf]))" if is_json else r"(?<![[:alnum:]])"
    return f"{before}(?:{'|'.join(parts)})(?![[:alnum:]])"


def _count(result: Any) -> int:
    return int(result.rowcount)


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def old_recordings(tx: Tx, before: datetime, limit: int) -> list[Call]:
    query = select(Call).where(Call.created_at < before, Call.object_key.is_not(None)).order_by(Call.id).limit(limit)
    return list((await tx.session.execute(query.with_for_update())).scalars())


async def old_transcripts(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Of calls: whose transcript, mood or insights are too old."""
    made = [select(table.id).where(table.created_at < before) for table in (Transcript, Sentiment, CallInsights)]
    query = made[0].union(*made[1:]).limit(limit)
    return list((await tx.session.execute(query)).scalars())


async def delete_old_drafts(tx: Tx, before: datetime, limit: int) -> int:
    old = select(Draft.id).where(Draft.created_at < before).order_by(Draft.id).limit(limit)
    return _count(await tx.session.execute(delete(Draft).where(Draft.id.in_(old))))


async def delete_old_contacts(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Those that no deal names; their consents go with them."""
    named = exists(select(Deal.id).where(Deal.contact_id == Contact.id))
    old = select(Contact.id).where(Contact.created_at < before, ~named).order_by(Contact.id).limit(limit)
    gone = delete(Contact).where(Contact.id.in_(old)).returning(Contact.id)
    return list((await tx.session.execute(gone)).scalars())
