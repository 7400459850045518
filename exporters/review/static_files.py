"""The files that pages load: style, scripts. Owns their addresses, which change with their content."""

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

SERVED = ("style.css", "review.css", "dataset.css", "keys.js", "htmx.min.js")
FOREVER = "public, max-age=31536000, immutable"
"""Other content has another address."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, and the address that browsers may keep it under."""

    content: bytes
    media_type: str
    path: str


def _read(name: str) -> StaticFile:
    content = files(__package__).joinpath("static", name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StaticFile(content, kind, f"/static/{hashlib.sha256(content).hexdigest()[:16]}/{name}")


_FILES = {made.path: made for made in map(_read, SERVED)}
_PATHS = {path.rpartition("/")[2]: path for path in _FILES}


def static_path(name: str) -> str:
    """The address of one of ``SERVED``. Raises ``KeyError`` for another name."""
    return _PATHS[name]


def static_routes() -> APIRouter:
    """The route that serves them."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{digest}/{name}")
    def static_file(digest: str, name: str) -> Response:
        """A file of a page. One of an earlier version is not there: its page is to be loaded anew."""
        found = _FILES.get(f"/static/{digest}/{name}")
        if found is None:
            raise HTTPException(404, "there is no such file")
        return Response(found.content, media_type=found.media_type, headers={"Cache-Control": FOREVER})

    return router
