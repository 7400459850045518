"""The metrics port: ``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for whoever runs the process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Header, Response
from fastapi.responses import JSONResponse

from exporters.metrics.prometheus import Metrics


@dataclass(frozen=True, slots=True)
class Health:
    """How the sidecar is. ``ready``: it takes telemetry. ``problems``: what is wrong now, a sentence each."""

    ready: bool
    problems: tuple[str, ...] = ()


def create_metrics_app(metrics: Metrics, health: Callable[[], Health]) -> FastAPI:
    """The ASGI app of the metrics port. ``health`` is called on the event loop.

    ``/healthz`` is 200 as long as the process answers, with its problems in the body: what is degraded (a full disk)
    recovers alone, and a restart would only lose what is in memory. ``/readyz`` is 503 while nothing is taken in.
    """
    app = FastAPI(title="sidecheck metrics", docs_url=None, redoc_url=None, openapi_url=None)

    # A thread of its own: those that are shared wait for the store when it is stuck. One, so that scrapes queue up here
    # instead of taking the processor from the receivers.
    renderer = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    @app.get("/metrics")
    async def scrape(accept: Annotated[str, Header()] = "") -> Response:
        """The counts of traces are read here, where they change: on a thread they would be caught halfway."""
        page = metrics.page()
        body, content_type = await asyncio.get_running_loop().run_in_executor(renderer, page.render, accept)
        return Response(body, headers={"content-type": content_type})

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether the process lives."""
        now = health()
        return JSONResponse({"status": "degraded" if now.problems else "ok", "problems": list(now.problems)})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether telemetry is taken in."""
        now = health()
        body = {"status": "ready" if now.ready else "not_ready", "problems": list(now.problems)}
        return JSONResponse(body, status_code=200 if now.ready else 503)

    return app
