"""Cursor paging over UUIDv7 keys: newest first, a cursor is the last key that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import Select

from core.kit.errors import FieldProblem, Invalid

T = TypeVar("T")
S = TypeVar("S", bound=Select[*tuple[Any, ...]])


class Page(BaseModel, Generic[T]):
    """One page; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


class PageRequest(BaseModel):
    limit: int
    before: UUID | None


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> PageRequest:
    try:
        return PageRequest(limit=limit, before=UUID(cursor) if cursor else None)
    except ValueError:
        problem = FieldProblem(
            "query.cursor", "not a cursor of ours: take `next_cursor` of the page before, or leave it out"
        )
        raise Invalid("The cursor is wrong.", problems=[problem]) from None


Paging = Annotated[PageRequest, Depends(_page_request)]


def newest_first(query: S, key: Any, request: PageRequest) -> S:
    """Of what the query asks for, the page that was asked for. `key`: a column of UUIDv7."""
    if request.before is not None:
        query = query.where(key < request.before)
    return query.order_by(key.desc()).limit(request.limit)


class HasId(Protocol):
    @property
    def id(self) -> UUID: ...


def next_cursor(rows: Sequence[HasId], request: PageRequest) -> str | None:
    return str(rows[-1].id) if len(rows) == request.limit else None
