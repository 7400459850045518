"""Real OTLP servers on a port of their own, in the test's event loop, in front of a fake intake."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from collector.intake import Intake
from collector.receivers.limits import ReceiverLimits
from collector.receivers.otlp_grpc import create_server
from collector.receivers.otlp_http import create_app


@asynccontextmanager
async def otlp_http(intake: Intake, limits: ReceiverLimits | None = None) -> AsyncIterator[str]:
    """Serve OTLP/HTTP; give its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(intake, limits or ReceiverLimits())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def otlp_grpc(intake: Intake, limits: ReceiverLimits | None = None) -> AsyncIterator[str]:
    """Serve OTLP/gRPC; give its address as ``host:port``."""
    server = create_server(intake, limits or ReceiverLimits())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
