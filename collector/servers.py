"""HTTP servers inside the front process's event loop, bound before they are started, so that errors come early."""

import asyncio
import contextlib
import math
import resource
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from collector.connections import Busy, ConnectionPool, HttpConnection, busy
from collector.receivers.limits import ConnectionLimits

BACKLOG = 2048
"""Connections that may wait to be taken, as uvicorn has it."""
LISTENERS = 5
"""Times ``limits.connections``: three HTTP ports, and twice as many connections for gRPC."""
OTHER_FILES = 512
"""What the store, the journal, the workers, standard streams and connections that are being refused need."""

DEFAULT_LIMITS = ConnectionLimits()


class CannotListen(Exception):
    """An address that could not be bound. The text names the option and the reason."""


def bind(option: str, host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises ``CannotListen``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # whoever comes before the server runs waits for it
    except OSError as error:
        listener.close()
        raise CannotListen(listen_problem(option, f"{host}:{port}", error.strerror or "cannot be bound")) from error
    listener.setblocking(False)
    return listener


def listen_problem(option: str, address: str, reason: str) -> str:
    """One sentence for whoever has to change the address."""
    return f"{option}: cannot listen on {address} ({reason}); set {option} to a free address"


def allow_open_files(connections: int) -> int | None:
    """Let the process have as many files open as ``connections`` to every port need; the kernel's default is 1024.

    Returns:
        How many it may have where that is less; ``None`` where all is well.
    """
    wanted = LISTENERS * connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed if allowed < wanted else None


class HttpServer(uvicorn.Server):
    """A uvicorn server that leaves signals to its owner and keeps its connections under limits."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        busy: Busy = busy,
    ) -> None:
        """Args: ``tls`` None serves plain HTTP; ``busy`` answers where there are too many connections."""
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpConnection,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=math.ceil(limits.idle_s),
                timeout_graceful_shutdown=3,
            )
        )
        self._listener = listener
        self._limits = limits
        self._tls = tls
        self._pool = ConnectionPool(limits, busy)
        self._task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. uvicorn's own way knows neither these connections nor a deadline for the TLS handshake."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        timeout = None if self._tls is None else self._limits.header_s
        self.servers = [
            await loop.create_server(
                self._connection, sock=sock, ssl=self._tls, backlog=BACKLOG, ssl_handshake_timeout=timeout
            )
            for sock in sockets or ()
        ]
        self.started = True

    def _connection(self) -> HttpConnection:
        return HttpConnection(self._pool, self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of ``collector.process``."""
        yield

    @property
    def address(self) -> str:
        """``host:port`` as it really is, with the port that the system chose for port 0."""
        return address_of(self._listener)

    def begin(self) -> None:
        """Serve in a task of the running event loop."""
        self._task = asyncio.create_task(self.serve([self._listener]), name=f"http {self.address}")

    async def end(self) -> None:
        """Answer what is under way, then stop."""
        self.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


def address_of(listener: socket.socket) -> str:
    """``host:port`` of a bound socket, IPv6 in brackets."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
