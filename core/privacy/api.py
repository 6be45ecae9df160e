from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from core.deals import repository as deals
from core.kit.db import Tx
from core.kit.errors import Conflict, NotFound
from core.kit.events import Event, EventType
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.privacy import consent, repository
from core.privacy.model import PersonRequest
from core.privacy.schemas import (
    Bases,
    ConsentIn,
    ConsentOut,
    ErasureIn,
    RequestOut,
    Retention,
    Standing,
    Who,
    WithdrawalIn,
)
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1", tags=["privacy"], route_class=TenantRoute)
SEE, RECORD, MANAGE = allow("can_view_deals"), allow("can_manage_deals"), allow("can_manage_privacy")
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}, "description": "A ZIP file"}}

# ── consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/contacts/{contact_id}/consents", dependencies=[SEE], summary="Every consent and withdrawal, newest first")
async def list_consents(contact_id: UUID, tx: CurrentTx, page: Paging) -> Page[ConsentOut]:
    await deals.contact(tx, contact_id)
    rows = await repository.consents(tx, contact_id, page)
    return Page(items=[ConsentOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/contacts/{contact_id}/purposes", dependencies=[SEE], summary="What may be done now, and on which basis")
async def read_standing(contact_id: UUID, tx: CurrentTx) -> list[Standing]:
    return await consent.all_standings(tx, contact_id)


@router.post("/contacts/{contact_id}/consents", status_code=201, dependencies=[RECORD], summary="Record a basis")
async def give_consent(contact_id: UUID, body: ConsentIn, tx: CurrentTx) -> ConsentOut:
    """Calls that were stored for want of a basis for analysis are analysed now."""
    row = await consent.give(tx, contact_id, body.purpose, body.basis, body.evidence, given_at=body.given_at)
    return ConsentOut.model_validate(row)


@router.post(
    "/contacts/{contact_id}/consents/withdraw", status_code=201, dependencies=[RECORD],
    summary="Record a withdrawal or an objection",
)  # fmt: skip
async def withdraw_consent(contact_id: UUID, body: WithdrawalIn, tx: CurrentTx) -> ConsentOut:
    """Counts at once, also against what the tenant states for all."""
    return ConsentOut.model_validate(await consent.withdraw(tx, contact_id, body.purpose, body.evidence))


@router.get("/privacy/bases", dependencies=[MANAGE], summary="What holds for contacts of whom nothing is recorded")
async def read_bases(tx: CurrentTx) -> Bases:
    return Bases.model_validate(await repository.settings(tx))


@router.put("/privacy/bases", dependencies=[MANAGE], summary="State the legal basis for each purpose")
async def change_bases(body: Bases, tx: CurrentTx) -> Bases:
    before = await _change(tx, "privacy.bases_changed", body)
    if before["analysis_basis"] == "consent" != body.analysis_basis:
        data = {"purpose": "analysis", "of": "tenant"}
        await tx.emit(Event(EventType.CONSENT_GIVEN, tx.tenant_id, tx.tenant_id, data, at=tx.clock.now()))
    return body


# ── retention ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/privacy/retention", dependencies=[MANAGE], summary="How long things are kept")
async def read_retention(tx: CurrentTx) -> Retention:
    return Retention.model_validate(await repository.settings(tx))


@router.put("/privacy/retention", dependencies=[MANAGE], summary="Say how long things are kept")
async def change_retention(body: Retention, tx: CurrentTx) -> Retention:
    """Carried out by the next run of `salesedge privacy retain`."""
    await _change(tx, "privacy.retention_changed", body)
    return body


async def _change(tx: Tx, action: str, body: Bases | Retention) -> dict[str, Any]:
    """Returns what it was before."""
    row, sent = await repository.settings(tx), body.model_dump()
    before = {name: getattr(row, name) for name in sent}
    for name, wanted in sent.items():
        setattr(row, name, wanted)
    tx.audit(action, f"tenant:{tx.tenant_id}", before=before, after=sent)
    return before


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/privacy/exports", status_code=202, dependencies=[MANAGE], summary="Make a copy of a person's data")
async def start_export(body: Who, request: Request, response: Response, tx: CurrentTx) -> RequestOut:
    row = await _start(tx, "export", body, EventType.EXPORT_REQUESTED)
    request.state.location = "/v1/privacy/exports/{id}"
    response.headers["Location"] = request.state.location.format(id=row.id)
    return RequestOut.model_validate(row)


@router.get("/privacy/exports", dependencies=[MANAGE])
async def list_exports(tx: CurrentTx, page: Paging) -> Page[RequestOut]:
    return await _listed(tx, page, "export")


@router.get("/privacy/exports/{request_id}", dependencies=[MANAGE])
async def read_export(request_id: UUID, tx: CurrentTx) -> RequestOut:
    return RequestOut.model_validate(await repository.request(tx, request_id, "export"))


@router.get(
    "/privacy/exports/{request_id}/file", dependencies=[MANAGE], response_class=Response, responses=_FILE,
    summary="The copy: JSON for each table, and recordings",
)  # fmt: skip
async def read_export_file(request_id: UUID, tx: CurrentTx, request: Request) -> Response:
    row = await repository.request(tx, request_id, "export")
    over = row.expires_at is not None and row.expires_at <= tx.clock.now()
    if row.object_key is None or over:
        raise NotFound(_no_file(row, over=over), export_status=row.status)
    data = await request.app.state.services.objects.get(row.object_key)
    headers = {"Content-Disposition": f'attachment; filename="{row.id}.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


def _no_file(row: PersonRequest, *, over: bool) -> str:
    if over or row.status == "expired":
        return "This copy is gone: it was kept for a week, or until somebody was erased. Ask for another."
    if row.status == "failed":
        return "This copy could not be made. Ask for another."
    return "This copy is not ready yet. Follow `status` of the export."


# ── erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/privacy/erasures", status_code=202, dependencies=[MANAGE], summary="Forget a person everywhere")
async def start_erasure(
    body: ErasureIn, request: Request, response: Response, tx: CurrentTx, identity: CurrentIdentity
) -> RequestOut:
    """Cannot be undone: rows, recordings, transcripts and drafts, and the name wherever somebody wrote it."""
    me = await tenants.user(tx, identity.user_id)
    if body.user_id == me.id or (body.email or "").lower() == me.email.lower():
        raise Conflict("You cannot erase yourself: nobody might be left to administer the company. Ask a colleague.")
    row = await _start(tx, "erasure", body, EventType.ERASURE_REQUESTED)
    request.state.location = "/v1/privacy/erasures/{id}"
    response.headers["Location"] = request.state.location.format(id=row.id)
    return RequestOut.model_validate(row)


@router.get("/privacy/erasures", dependencies=[MANAGE])
async def list_erasures(tx: CurrentTx, page: Paging) -> Page[RequestOut]:
    return await _listed(tx, page, "erasure")


@router.get("/privacy/erasures/{request_id}", dependencies=[MANAGE])
async def read_erasure(request_id: UUID, tx: CurrentTx) -> RequestOut:
    return RequestOut.model_validate(await repository.request(tx, request_id, "erasure"))


async def _start(tx: Tx, kind: str, body: Who, fact: EventType) -> PersonRequest:
    if body.contact_id is not None:
        await deals.contact(tx, body.contact_id)
    if body.user_id is not None:
        await tenants.user(tx, body.user_id)
    row = PersonRequest(
        id=new_id(), tenant_id=tx.tenant_id, kind=kind, status="waiting", counts={}, created_at=tx.clock.now(),
        requested_by=tx.actor.user_id if tx.actor else None, **{"reason": None, **body.model_dump()},
    )  # fmt: skip
    await repository.add(tx, row)
    tx.audit(f"privacy.{kind}_requested", f"person_request:{row.id}")
    await tx.emit(Event(fact, tx.tenant_id, row.id, at=tx.clock.now()))
    return row


async def _listed(tx: Tx, page: Paging, kind: str) -> Page[RequestOut]:
    rows = await repository.requests(tx, page, kind)
    return Page(items=[RequestOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))
