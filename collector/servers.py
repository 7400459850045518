"""HTTP servers inside the front process's event loop, bound before they are started, so that errors come early."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 1024


class CannotListen(Exception):
    """An address that could not be bound. The text names the option and the reason."""


def bind(option: str, host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises ``CannotListen``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(listen_problem(option, f"{host}:{port}", error.strerror or "cannot be bound")) from error
    listener.setblocking(False)
    return listener


def listen_problem(option: str, address: str, reason: str) -> str:
    """One sentence for whoever has to change the address."""
    return f"{option}: cannot listen on {address} ({reason}); set {option} to a free address"


class HttpServer(uvicorn.Server):
    """A uvicorn server that leaves signals to its owner."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=3,
            )
        )
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of ``collector.app``."""
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
