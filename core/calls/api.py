from __future__ import annotations

import json
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from core.calls import formats, repository
from core.calls.model import Call, Transcript
from core.calls.schemas import CallOut, Participant, Progress, Status, TranscriptOut
from core.calls.turns import Turn
from core.calls.upload import Recording, upload
from core.kit import idempotency
from core.kit.errors import FieldProblem, Invalid, NotFound
from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, Replayed, SlowTenantRoute, TenantRoute, allow

router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=TenantRoute)
uploads = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=SlowTenantRoute)
SEE = allow("can_view_calls")
_PARTICIPANTS = TypeAdapter(list[Participant])


@uploads.post("", status_code=202, summary="Upload a recorded call", dependencies=[allow("can_upload_call")])
async def upload_call(
    request: Request,
    response: Response,
    tx: CurrentTx,
    identity: CurrentIdentity,
    audio: Annotated[UploadFile, File(description="wav, flac, mp3, ogg/opus, m4a or webm")],
    deal_id: Annotated[UUID | None, Form()] = None,
    language: Annotated[Literal["pt", "en"] | None, Form(description="Detected where left out")] = None,
    region: Annotated[str | None, Form(max_length=64)] = None,
    title: Annotated[str | None, Form(max_length=200)] = None,
    participants: Annotated[str, Form(description='JSON: [{"name": "…", "side": "seller"}]')] = "[]",
    seller_channel: Annotated[int, Form(ge=0, le=1, description="Of a stereo file: 0 left, 1 right")] = 0,
    started_at: Annotated[AwareDatetime | None, Form()] = None,
) -> CallOut:
    """Accepted at once; transcription and analysis go on behind. Follow `status` at the address in `Location`."""
    services = request.app.state.services
    if deal_id is not None:
        await services.find_deal(tx, deal_id)
    people = _participants(participants)
    await services.may_record(tx, deal_id, [str(p.email) for p in people if p.email and p.side == "customer"])
    recording = Recording(
        audio.file, identity.user_id, deal_id, language, region, title, people, seller_channel,
        started_at or tx.clock.now(),
    )  # fmt: skip
    request.state.location = "/v1/calls/{id}"
    await _replay(request, tx, identity.user_id, recording)
    call = await upload(
        tx, recording, objects=services.objects, limits=services.limits, settings=services.settings.calls
    )
    response.headers["Location"] = request.state.location.format(id=call.id)
    return _shown(call)


@router.get("", dependencies=[SEE])
async def list_calls(
    tx: CurrentTx, page: Paging, deal_id: UUID | None = None, status: Status | None = None
) -> Page[CallOut]:
    rows = await repository.calls(tx, page, deal_id=deal_id, status=status)
    return Page(items=[_shown(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/{call_id}", dependencies=[SEE])
async def read_call(call_id: UUID, tx: CurrentTx, request: Request) -> CallOut:
    call = await repository.call(tx, call_id)
    shown = _shown(call)
    if call.status in ("uploaded", "transcribed", "analyzed"):
        now = await request.app.state.services.progress.get(call_id)
        shown.progress = Progress(stage=now[0], share=now[1]) if now else None
    return shown


@router.get("/{call_id}/transcript", dependencies=[SEE], response_model=TranscriptOut)
async def read_transcript(
    call_id: UUID, tx: CurrentTx, format: Literal["json", "srt", "vtt", "text"] = "json"
) -> Response | TranscriptOut:
    """JSON with every word, or SubRip, WebVTT or plain text for people."""
    call = await repository.call(tx, call_id)
    row = await repository.transcript(tx, call_id)
    if row is None:
        raise not_yet(call, "transcript")
    turns = [Turn.from_json(turn) for turn in row.turns]
    if format == "srt":
        return PlainTextResponse(formats.to_srt(turns), media_type="application/x-subrip")
    if format == "vtt":
        return PlainTextResponse(formats.to_vtt(turns), media_type="text/vtt")
    if format == "text":
        return PlainTextResponse(formats.to_text(turns))
    return _transcript(row)


@router.get("/{call_id}/audio", dependencies=[SEE], summary="The recording as it was uploaded")
async def read_audio(call_id: UUID, tx: CurrentTx, request: Request) -> Response:
    call = await repository.call(tx, call_id)
    data = await request.app.state.services.objects.get(repository.object_key(call))
    headers = {"Content-Disposition": f'attachment; filename="{call.id}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def not_yet(call: Call, what: str) -> NotFound:
    """Why a result of a call is not there."""
    if call.status in ("failed", "stored"):
        return NotFound(f"This call has no {what}: {call.error}", call_status=call.status)
    if call.status in ("ready", "erased"):
        why = "its time was over" if call.status == "ready" else "somebody on it was erased"
        return NotFound(f"The {what} of this call was deleted: {why}.", call_status=call.status)
    return NotFound(f"The {what} is not ready yet. Follow `status` of the call.", call_status=call.status)


def _shown(call: Call) -> CallOut:
    return CallOut.model_validate(call)


def _transcript(row: Transcript) -> TranscriptOut:
    return TranscriptOut(
        call_id=row.id, language=row.language, language_confidence=row.language_confidence, engine=row.engine,
        turns=row.turns,
    )  # fmt: skip


def _participants(raw: str) -> tuple[Participant, ...]:
    try:
        return tuple(_PARTICIPANTS.validate_json(raw))
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(["body", "participants", *map(str, e["loc"])]), e["msg"]) for e in error.errors()
        ]
        raise Invalid("`participants` is a JSON list of objects with `name` and `side`.", problems=problems) from None


async def _replay(request: Request, tx: CurrentTx, user_id: UUID, recording: Recording) -> None:
    """Answer a repeated Idempotency-Key as before; the request counts as the same where file and deal are."""
    if idempotency.key_of(request) is None:
        return
    import asyncio

    from core.calls.upload import _measure

    content_hash, _ = await asyncio.to_thread(_measure, recording.file)
    seen = json.dumps([content_hash, str(recording.deal_id)])
    request.state.fingerprint = idempotency.fingerprint(seen.encode())
    stored = await idempotency.recall(tx, request, user_id, request.state.fingerprint)
    if stored is not None:
        raise Replayed(stored)
