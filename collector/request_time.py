"""How long one HTTP request may take to come, and each part of its answer to be taken; told to the app as ASGI."""

import asyncio
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.receivers.limits import ConnectionLimits

LAST_CHANCE_S = 1.0
"""How long a request that is under way may still take to come when the server stops."""

TOO_SLOW = "the request did not come in time; send it faster, or in smaller parts"


class Connection(Protocol):
    """The connection that a request comes over. ``receiving`` is the request that is under way."""

    receiving: "Receiving | None"

    @property
    def limits(self) -> ConnectionLimits:
        """The limits that hold for it."""
        ...

    def hang_up(self) -> None:
        """Close at once."""
        ...


class InTime:
    """An ASGI app whose request comes, and whose answer is taken, within the time for a body.

    Where the request does not, whoever reads it gets a starlette ``HTTPException``: 408, or 503 when the server stops.
    """

    def __init__(self, connection: Connection, app: Any) -> None:
        self._connection = connection
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        sending = _Sending(self._connection, send)
        receiving = self._connection.receiving = Receiving(receive, self._connection.limits.body_s)
        try:
            await self._app(scope, receiving, sending)
        except HTTPException as error:
            if error is not receiving.given_up or sending.begun:
                raise
            await PlainTextResponse(error.detail, error.status_code, error.headers)(scope, receive, sending)
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            self._connection.hang_up()


class Receiving:
    """The ``receive`` of one request, with a deadline until the body is there."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self.given_up: HTTPException | None = None
        self._receive = receive
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._timeout: asyncio.Timeout | None = None
        self._stopping = False
        self._done = False

    async def __call__(self) -> Message:
        """The next part of the request. Raises ``HTTPException`` at the deadline."""
        if self._done:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline) as self._timeout:
                message = await self._receive()
        except TimeoutError:
            self.given_up = _stopping() if self._stopping else HTTPException(408, TOO_SLOW, {"Connection": "close"})
            raise self.given_up from None
        finally:
            self._timeout = None
        self._done = not message.get("more_body", False)
        return message

    def hurry(self) -> None:
        """The server stops: what is not here soon is not waited for."""
        self._stopping = True
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + LAST_CHANCE_S)
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(self._deadline)


def _stopping() -> HTTPException:
    return HTTPException(503, "shutting down; send again later", {"Connection": "close", "Retry-After": "1"})


class _Sending:
    """The ``send`` of one request, with a deadline for each part: who does not read its answer is cut off."""

    def __init__(self, connection: Connection, send: Send) -> None:
        self._connection = connection
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        try:
            async with asyncio.timeout(self._connection.limits.body_s):
                await self._send(message)
        except TimeoutError:
            self._connection.hang_up()
