"""Keeps web pages of elsewhere from reading a port that is open to this machine only and asks for no token.

A page can make its own name point to 127.0.0.1 once it is loaded ("DNS rebinding"); for the browser the port is then of
the same origin. The name is still in the ``Host`` header, and is none that this machine's own pages are called by.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from exporters.review.answers import problem

_RULE = (
    "this address answers to localhost and IP addresses only; where a proxy with a name of its own stands in front, "
    "set api.token_file"
)


class LocalHosts:
    """ASGI middleware: refuses requests that were sent to any other name than this machine's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or _is_local(_host(scope)):
            await self._app(scope, receive, send)
        else:
            await problem(421, "misdirected", _RULE)(scope, receive, send)


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")


def _is_local(host: str) -> bool:
    """Whether a ``Host`` header can't be a name that someone else owns. Browsers always send one."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if not host or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
