"""The page that listens: static files, served as they are."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from core.kit.errors import NotFound
from core.kit.web import PublicRoute

router = APIRouter(tags=["live"], route_class=PublicRoute)
_FOLDER = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
}


@router.get("/live", include_in_schema=False)
async def page() -> Response:
    return _file("index.html")


@router.get("/live/{name}", include_in_schema=False)
async def part(name: str) -> Response:
    return _file(name)


def _file(name: str) -> Response:
    """Raises `NotFound`."""
    path = _FOLDER / name
    if path.parent != _FOLDER or not path.is_file():
        raise NotFound("There is no such file. The page is at /live.")
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_HEADERS)
