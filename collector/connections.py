"""One HTTP/1.1 connection under limits: how long it may take, and who has to go when there are too many.

uvicorn knows no limit of time for the head and the body of a request, and refuses new connections where old ones sit
idle. Here each connection has a stage, and each stage that waits for the other side has a deadline.
"""

import asyncio
import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import h11
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from collector.receivers.limits import ConnectionLimits
from collector.request_time import TOO_SLOW, InTime, Receiving

RESERVE = 64
"""Connections beyond the limit that are still told that there are too many; more are closed without a word."""

Busy = Callable[[Request], Response]
"""Answers a request for which there is no room."""


class Stage(Enum):
    """What a connection is doing."""

    NEW = auto()
    """Nothing came yet."""
    HEAD = auto()
    """The head of a request came in part."""
    WORK = auto()
    """A request is being read, worked on or answered."""
    REST = auto()
    """The request is answered, the rest of its body is being thrown away."""
    IDLE = auto()
    """A request was answered, the next one has not begun."""
    CLOSING = auto()
    """The last bytes are on their way out."""


def busy(_request: Request) -> Response:
    """The answer where there is no room: what senders take for "send it again later"."""
    return PlainTextResponse("too many connections (limits.connections); come again later", 503, {"Retry-After": "5"})


class ConnectionPool:
    """The connections of one listener. Where there are too many, the one that has waited longest is closed."""

    def __init__(self, limits: ConnectionLimits, busy: Busy = busy) -> None:
        self.limits = limits
        self.busy = busy
        self._open: set[HttpConnection] = set()
        self._waiting: dict[HttpConnection, None] = {}  # in the order in which they began to wait

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, connection: "HttpConnection") -> bool:
        """Count a new connection; whether its requests are served."""
        self._open.add(connection)
        if len(self._open) > self.limits.connections and self._waiting:
            longest = next(iter(self._waiting))
            self.closed(longest)
            longest.give_way()
        return len(self._open) <= self.limits.connections

    def closed(self, connection: "HttpConnection") -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def entered(self, connection: "HttpConnection", stage: Stage) -> None:
        """Note what a connection is doing now."""
        if stage in (Stage.WORK, Stage.CLOSING):
            self._waiting.pop(connection, None)
        elif connection in self._open:
            self._waiting.setdefault(connection)
            if stage is Stage.IDLE:  # it was of use: back to the end of the line
                self._waiting[connection] = self._waiting.pop(connection)

    @property
    def is_overrun(self) -> bool:
        """Whether there are more connections than can even be told so."""
        return len(self._open) > self.limits.connections + RESERVE


class HttpConnection(H11Protocol):
    """uvicorn's connection with a deadline for each stage."""

    def __init__(
        self, pool: ConnectionPool, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._pool = pool
        self._stage = Stage.NEW
        self._timer: asyncio.TimerHandle | None = None
        self.receiving: Receiving | None = None
        self.app = InTime(self, self.app)

    @property
    def limits(self) -> ConnectionLimits:
        """The limits that hold for it."""
        return self._pool.limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin, unless there is no room at all."""
        super().connection_made(transport)
        shown = transport.get_extra_info("peercert") is not None
        self.app_state = {**self.app_state, "client_certificate": shown}
        if not self._pool.opened(self):
            if self._pool.is_overrun:
                transport.abort()
                return
            self.app = _Refusing(self._pool.busy)
        self._enter(Stage.NEW)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._pool.closed(self)
        self._stop_timer()
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Go on with a request."""
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        self.timeout_keep_alive = math.ceil(self.limits.idle_s)  # of this moment, for uvicorn's own timer
        super().on_response_complete()
        self._follow()

    def shutdown(self) -> None:
        """Finish what is under way, and close."""
        super().shutdown()
        if self.receiving is not None:
            self.receiving.hurry()

    def give_way(self) -> None:
        """Close; nothing is under way."""
        self.transport.close()
        self._follow()

    def hang_up(self) -> None:
        """Close at once; what is under way is not wanted any more."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def _follow(self) -> None:
        stage = self._stage_now()
        if stage is not self._stage:
            self._enter(stage)

    def _stage_now(self) -> Stage:
        if self.transport.is_closing():
            return Stage.CLOSING
        if self.conn.their_state is h11.IDLE:
            if self.conn.trailing_data[0]:
                return Stage.HEAD
            return Stage.NEW if self.cycle is None else Stage.IDLE
        answered = self.cycle is not None and self.cycle.response_complete
        return Stage.REST if answered and self.conn.their_state is h11.SEND_BODY else Stage.WORK

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._pool.entered(self, stage)
        self._stop_timer()
        seconds = self._patience(stage)
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._out_of_time)

    def _patience(self, stage: Stage) -> float | None:
        if stage in (Stage.NEW, Stage.HEAD):
            return self.limits.header_s
        if stage in (Stage.REST, Stage.CLOSING):
            return self.limits.body_s
        return self.limits.idle_s if stage is Stage.IDLE else None  # work is timed where it is done

    def _out_of_time(self) -> None:
        if self._stage is Stage.HEAD:
            self._answer_too_slow()
        if self._stage is Stage.CLOSING:
            self.transport.abort()
        else:
            self.transport.close()
            self._follow()

    def _answer_too_slow(self) -> None:
        text = TOO_SLOW.encode()
        headers = [("content-type", "text/plain"), ("content-length", str(len(text))), ("connection", "close")]
        for event in (h11.Response(status_code=408, headers=headers), h11.Data(data=text), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Refusing:
    """An ASGI app that has one answer, and lets nobody stay."""

    def __init__(self, busy: Busy) -> None:
        self._busy = busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._busy(Request(scope))
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)
