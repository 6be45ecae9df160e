from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile

from core.kit.pages import Page, Paging, next_cursor
from core.kit.web import CurrentIdentity, CurrentTx, SlowTenantRoute, TenantRoute, allow
from core.knowledge import repository
from core.knowledge.add import MOST_BYTES, Given, add, remove
from core.knowledge.schemas import DocumentOut, SearchedOut
from core.knowledge.search import search

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=TenantRoute)
uploads = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=SlowTenantRoute)
SEE = allow("can_view_calls")
MANAGE = allow("can_manage_knowledge")


@uploads.post("/documents", status_code=202, summary="Add a document", dependencies=[MANAGE])
async def add_document(
    response: Response,
    tx: CurrentTx,
    identity: CurrentIdentity,
    document: Annotated[UploadFile, File(description="Text, Markdown, HTML, PDF or DOCX, by the ending of its name")],
    title: Annotated[str | None, Form(max_length=160)] = None,
    language: Annotated[Literal["pt", "en"] | None, Form(description="Told by its words where left out")] = None,
) -> DocumentOut:
    """Accepted at once, searchable when `status` is ready. The same file again is the same document."""
    content = await document.read(MOST_BYTES + 1)
    given = Given(document.filename or "", content, title, language, identity.user_id)
    row = await add(tx, given)
    response.headers["Location"] = f"/v1/knowledge/documents/{row.id}"
    return DocumentOut.model_validate(row)


@router.get("/documents", dependencies=[SEE])
async def list_documents(tx: CurrentTx, page: Paging) -> Page[DocumentOut]:
    rows = await repository.documents(tx, page)
    return Page(items=[DocumentOut.model_validate(row) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/documents/{document_id}", dependencies=[SEE])
async def read_document(document_id: UUID, tx: CurrentTx) -> DocumentOut:
    return DocumentOut.model_validate(await repository.document(tx, document_id))


@router.delete("/documents/{document_id}", status_code=204, dependencies=[MANAGE])
async def delete_document(document_id: UUID, tx: CurrentTx) -> None:
    await remove(tx, document_id)


@router.get("/search", dependencies=[SEE], summary="Ask the documents")
async def search_documents(
    request: Request,
    tx: CurrentTx,
    q: Annotated[str, Query(min_length=2, max_length=500, description="A question, in either language")],
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> SearchedOut:
    """An answer in the words of a document, with its place; null where none of them answers."""
    found = await search(tx, q, request.app.state.services.embedder, most=limit)
    return SearchedOut.model_validate(found)
