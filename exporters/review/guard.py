"""What holds for every request to the API port before any route: headers of the answer, size and origin of it."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporters.review.answers import problem

MAX_BODY = 4 * 1024 * 1024
"""Bytes. The largest thing to send is a case that was edited by hand."""

_HEADERS = {
    # Scripts in the markup, images, frames, anything of elsewhere: nothing. Captured text is shown on these pages.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer browsers say of a form of ours that its origin is "null"
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware: refuses bodies over ``MAX_BODY`` and changes asked for by other sites, and sets headers."""

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY) -> None:
        self._app = app
        self._max_body = max_body
        self._rule = f"the body has more than {max_body} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._max_body:
            await self._too_large(scope, receive, _with_headers(send))
        elif scope["method"] not in _SAFE_METHODS and _is_from_elsewhere(headers):
            refusal = problem(403, "cross_site", "another site's page may not change anything here")
            await refusal(scope, receive, _with_headers(send))
        else:
            await self._counted(scope, receive, _with_headers(send))

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Chunked bodies tell no length beforehand."""
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise HTTPException(413, self._rule)  # whoever reads the body passes this on to the app's handler
            return message

        await self._app(scope, limited, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = problem(413, "too_large", self._rule)
        await refusal(scope, receive, send)


def _is_from_elsewhere(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a page of another origin sent this. A browser says so, even where it sends the user's password along.

    ``Sec-Fetch-Site`` cannot be set by a page; browsers that do not send it yet send ``Origin`` with whatever changes
    something. What sends neither is no browser. Another port of the same host is another origin, too.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2].lower() != headers.get(b"host", b"").lower()


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", ())}
            added = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending
