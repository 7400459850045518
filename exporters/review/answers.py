"""What the API answers with: JSON that holds anything an app recorded, and one shape for every error.

The error shape is ``{"error": {"code": "...", "message": "..."}}``. ``code`` is for programs and comes from a closed
set; ``message`` is for people and quotes nothing that was captured or sent. A page's error is a page, or where a script
of ours asked for a part of one, the message alone.
"""

import json
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from exporters.dataset.plain import plain
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.review import html
from exporters.store import BadCursor, Conflict, NotFound, StoreError, StoreUnavailable, Unchanged

RETRY_AFTER_S = "2"

log = structlog.get_logger()

_RULES = {
    "json_invalid": "is not valid JSON",
    "missing": "is missing; it is required",
    "model_attributes_type": "must be a JSON object, and the Content-Type application/json",
    "string_pattern_mismatch": "must be 32 hexadecimal digits",
}
"""Better said than by pydantic. The one pattern is that of trace ids."""
_PLAIN = {
    "Not Found": "there is nothing at this address; GET /api/openapi.json names all there is",
    "Method Not Allowed": "this address does not take that method; the header Allow names those that it takes",
}
"""What Starlette says of its own accord, said so that one knows what to do."""
_PROGRAMS = ("/api/", "/v1/")
"""What programs ask. A browser that is sent there is shown the same."""
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_type"}


class SafeJson(JSONResponse):
    """JSON of whatever telemetry can hold: NaN, bytes and lone surrogates are no reason for a 500."""

    def render(self, content: Any) -> bytes:
        """UTF-8 JSON without NaN; ``<``, ``>`` and ``&`` escaped, so that it is harmless even where taken for HTML."""
        text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text.encode()


class ApiError(Exception):
    """A request that is refused. The message quotes nothing of what was sent."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def not_found(what: str) -> ApiError:
    """404: there is no such ``what``."""
    return ApiError(404, "not_found", f"there is no {what} with this id")


def problem(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> SafeJson:
    """An error in the one shape."""
    return SafeJson({"error": {"code": code, "message": message}}, status, headers)


def page_problem(
    request: Request, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    """An error as whoever asked can read it: a program JSON, a person with a browser a page."""
    if request.url.path.startswith(_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
        return problem(status, code, message, headers)
    if "hx-request" in request.headers:
        shown = {**(headers or {}), "HX-Retarget": "#problem", "HX-Reswap": "innerHTML", "HX-Push-Url": "false"}
        return html.render("problem_line.html", status, shown, message=message)
    return html.render("problem.html", status, headers, message=message, status_code=status)


def install(app: FastAPI) -> None:
    """Make every error of the app answer in the one shape."""
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(RedactionFailed, _unredacted)
    app.add_exception_handler(RedactionUnavailable, _not_looked_at)
    app.add_exception_handler(Exception, _crashed)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 -- Starlette picks the handler by the type
    return page_problem(request, error.status, error.code, str(error))


def _invalid(request: Request, error: Exception) -> Response:
    """Names the place and the rule. pydantic's ``input`` is left out: it is what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- as above
    first = error.errors()[0]
    steps = () if first["type"] == "json_invalid" else first["loc"]  # else how many bytes of the body could be read
    place = ".".join(str(part) for part in steps if part not in ("query", "path", "body"))
    rule = _RULES.get(first["type"], first["msg"])
    return page_problem(request, 400, "invalid_request", f"{place or 'the body'}: {rule}")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- as above
    code = _CODES.get(error.status_code, "invalid_request")
    message = _PLAIN.get(error.detail, str(error.detail))
    return page_problem(request, error.status_code, code, message, dict(error.headers or {}))


def _gone(request: Request, _error: Exception) -> Response:
    # Who left reads no answer: a browser gives up a form's request when its user types on. It is no bug of ours.
    return page_problem(request, 400, "invalid_request", "the request ended before its body did")


def _store(request: Request, error: Exception) -> Response:
    if isinstance(error, NotFound):
        return page_problem(request, 404, "not_found", str(error))
    if isinstance(error, Conflict):
        return page_problem(request, 409, "conflict", str(error))
    if isinstance(error, Unchanged):
        return page_problem(request, 409, "unchanged", str(error))
    if isinstance(error, BadCursor):
        return page_problem(request, 400, "invalid_request", f"cursor: {error}")
    code = "store_busy" if isinstance(error, StoreUnavailable) else "store_failed"
    return page_problem(request, 503, code, str(error), {"Retry-After": RETRY_AFTER_S})


def _unredacted(request: Request, error: Exception) -> Response:
    return page_problem(request, 409, "redaction_failed", f"nothing was changed: {error}")


def _not_looked_at(request: Request, error: Exception) -> Response:
    shown = {"Retry-After": RETRY_AFTER_S}
    return page_problem(request, 503, "redaction_unavailable", f"nothing was changed: {error}", shown)


def _crashed(request: Request, error: Exception) -> Response:
    """A bug. Neither the log nor the answer has the exception's text: it may quote what was captured."""
    place = request.scope.get("route")
    log.error("a request crashed", error=type(error).__name__, route=getattr(place, "path", None))
    return page_problem(request, 500, "internal", "sidecheck could not answer: this is a bug; its log names the place")
