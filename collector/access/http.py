"""Access to the HTTP listeners: no request gets further without a valid token, and none has its body read before.

Owns who is let in. How a refusal looks is for each listener to say: what it serves has its own form of errors.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.access.entrance import Entrance
from collector.access.hosts import LocalHosts
from collector.access.tokens import TokenFile, basic_password, bearer_token
from collector.intake import FeedbackIntake, Intake, Refusal, Refused, Source
from collector.receivers import otlp_http
from collector.receivers.answers import CHALLENGE
from exporters.review.answers import problem

NEEDS_TOKEN = "a valid token is needed: send it as `Authorization: Bearer ...`"  # noqa: S105 - a sentence
PROBES = frozenset({"/healthz", "/readyz"})
"""Open to all: who runs the process asks them, and has no token (a kubelet, for one)."""

_BASIC_CHALLENGE = 'Basic realm="sidecheck (any user name, a token as the password)", charset="UTF-8"'

Refuse = Callable[[Request], Response]
"""Counts a request without a valid token, and gives its answer."""


def guard_otlp(app: ASGIApp, entrance: Entrance, intake: Intake) -> ASGIApp:
    """The OTLP/HTTP app, with its tokens asked for."""
    if entrance.tokens is None:
        return app

    def refuse(request: Request) -> Response:
        intake.refused(Source.OTLP_HTTP, Refusal.UNAUTHENTICATED)
        return otlp_http.refusal(request, Refused(Refusal.UNAUTHENTICATED, NEEDS_TOKEN))

    return TokenGuard(app, entrance.tokens, refuse)


def guard_api(app: ASGIApp, entrance: Entrance, intake: FeedbackIntake, *, is_local: bool) -> ASGIApp:
    """The API's app, with its tokens asked for. A browser asks its user for one, as a password.

    ``is_local`` says that only this machine reaches it; pages of elsewhere are kept out then even without a token.
    """
    if entrance.tokens is None:
        return LocalHosts(app) if is_local and not entrance.asks_certificate else app

    def refuse(request: Request) -> Response:
        intake.refused(Source.API, Refusal.UNAUTHENTICATED)
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        headers = {"WWW-Authenticate": _BASIC_CHALLENGE if is_page else CHALLENGE, "Cache-Control": "no-store"}
        return problem(401, "unauthenticated", NEEDS_TOKEN, headers)

    return TokenGuard(app, entrance.tokens, refuse, passwords=True)


def guard_metrics(app: ASGIApp, entrance: Entrance) -> ASGIApp:
    """The metrics port's app, with tokens and client certificates asked for, except of probes.

    The TLS context has to leave certificates optional (``Entrance.context``), or no probe gets in.
    """

    def refuse(_request: Request) -> Response:
        return PlainTextResponse(NEEDS_TOKEN, 401, {"WWW-Authenticate": CHALLENGE})

    guarded = app
    if entrance.tokens is not None:
        guarded = TokenGuard(guarded, entrance.tokens, refuse)
    if entrance.asks_certificate:
        guarded = CertificateGuard(guarded)
    return guarded if guarded is app else Except(PROBES, app, guarded)


class TokenGuard:
    """ASGI middleware: hands on requests with a valid token, and has the others refused.

    Args:
        app: What is guarded.
        tokens: The valid ones.
        refuse: Answers a request without one.
        passwords: Whether a token may also be given as the password of HTTP Basic, as browsers do.
    """

    def __init__(self, app: ASGIApp, tokens: TokenFile, refuse: Refuse, *, passwords: bool = False) -> None:
        self._app = app
        self._tokens = tokens
        self._refuse = refuse
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan" or self._has_token(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._refuse(Request(scope))(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        given = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
        token = bearer_token(given)
        if token is None and self._passwords:
            token = basic_password(given)
        return token is not None and self._tokens.accepts(token)


class CertificateGuard:
    """ASGI middleware: hands on requests that came over a connection with a client certificate."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan" or scope.get("state", {}).get("client_certificate"):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("a client certificate is needed", 403)(scope, receive, send)


class Except:
    """ASGI middleware: requests to some paths go to one app, all others to another."""

    def __init__(self, paths: frozenset[str], theirs: ASGIApp, others: ASGIApp) -> None:
        self._paths = paths
        self._theirs = theirs
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        app = self._theirs if scope.get("path") in self._paths else self._others
        await app(scope, receive, send)
