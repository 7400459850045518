"""OTLP servers behind tokens and TLS, as the sidecar has them, before a fake intake; addresses are ``host:port``."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp

from collector.access.calls import guard_calls
from collector.access.entrance import Entrance
from collector.access.http import guard_otlp
from collector.access.tls import TlsFiles
from collector.access.tokens import TokenFile
from collector.intake import Intake
from collector.receivers.limits import ConnectionLimits, ReceiverLimits
from collector.receivers.otlp_grpc import create_server
from collector.receivers.otlp_http import create_app, when_busy
from collector.servers import HttpServer, bind

TOKEN = "a-token-for-tests"


def a_token_file(folder: Path, *tokens: str) -> Path:
    """A file of tokens that only its owner can read."""
    path = folder / "tokens"
    path.write_text("".join(f"{token}\n" for token in tokens or (TOKEN,)))
    path.chmod(0o600)
    return path


class Seconds:
    """A clock of seconds that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def an_entrance(
    tls: TlsFiles | None = None, tokens: Path | None = None, clock: Callable[[], float] = time.monotonic
) -> Entrance:
    """An entrance of these files."""
    return Entrance(tls, None if tokens is None else TokenFile("api.token_file", tokens, clock), clock)


@asynccontextmanager
async def http_listener(
    app: ASGIApp,
    limits: ConnectionLimits | None = None,
    entrance: Entrance | None = None,
    certificate: ssl.VerifyMode = ssl.CERT_REQUIRED,
    **options: object,
) -> AsyncIterator[str]:
    """Serve an app; give its address."""
    listener = bind("test.listen", "127.0.0.1", 0)
    tls = None if entrance is None else entrance.context(certificate)
    server = HttpServer(app, listener, limits or ConnectionLimits(), tls, **options)
    server.begin()
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event of it
                await asyncio.sleep(0)
        yield server.address
    finally:
        await server.end()


@asynccontextmanager
async def guarded_http(
    intake: Intake, entrance: Entrance, limits: ConnectionLimits | None = None
) -> AsyncIterator[str]:
    """Serve OTLP/HTTP; give its address."""
    app = guard_otlp(create_app(intake, ReceiverLimits()), entrance, intake)
    async with http_listener(app, limits, entrance, busy=when_busy(intake)) as address:
        yield address


@asynccontextmanager
async def guarded_grpc(
    intake: Intake, entrance: Entrance, limits: ConnectionLimits | None = None
) -> AsyncIterator[str]:
    """Serve OTLP/gRPC; give its address."""
    interceptors = guard_calls(entrance.tokens, intake)
    server = create_server(intake, ReceiverLimits(), limits or ConnectionLimits(), interceptors)
    credentials = entrance.credentials()
    where = "127.0.0.1:0"
    port = server.add_insecure_port(where) if credentials is None else server.add_secure_port(where, credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
