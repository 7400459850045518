"""The ports of a process: all bound before anything starts, then served one by one, each behind its entrance.

Owns how a port is served (limits, TLS, tokens). What is served there, and in which order, is for the process to say.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from collector.access.calls import guard_calls
from collector.access.entrance import Entrance
from collector.access.http import guard_api, guard_metrics, guard_otlp
from collector.access.watch import LOOK_EVERY_S
from collector.connections import Busy, busy
from collector.intake import FeedbackIntake, Forwarding, Intake
from collector.part_options import connection_limits, receiver_limits
from collector.receivers import feedback, otlp_grpc, otlp_http
from collector.servers import CannotListen, HttpServer, bind, listen_problem
from collector.settings import Settings
from collector.spans import Spans, no_spans
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app

GRPC = "otlp.grpc"
GRPC_GRACE_S = 2.0


class Ports:
    """The ports of these ``sections`` of the configuration. Those that were served end with ``stack``, the last first.

    ``limits`` are those of each request, to share with other ways in. Requests of OTLP are told of to ``spans``.

    Raises:
        CannotListen: an address is taken.
        ConfigError: a file of an entrance is missing or cannot be used.
    """

    def __init__(
        self, settings: Settings, stack: AsyncExitStack, sections: Sequence[str], spans: Spans = no_spans
    ) -> None:
        self._settings = settings
        self._spans = spans
        self._stack = stack
        self.limits = receiver_limits(settings)
        self._connections = connection_limits(settings)
        ports = {section: settings.ports[section] for section in sections}
        self._entrances = {section: Entrance.of(section, port) for section, port in ports.items()}
        self._listeners = {}
        for section, port in ports.items():
            listener = bind(f"{section}.listen", port.listen.host, port.listen.port)
            if section == GRPC:  # it binds the port itself, and would log what stands in the way
                listener.close()
            else:
                self._listeners[section] = listener
                stack.callback(listener.close)
        stack.callback(asyncio.create_task(self._look_at_tokens(), name="tokens").cancel)

    def adopt(self, settings: Settings) -> None:
        """Go by the ``limits`` of these settings from now on, as far as a server that runs can."""
        self.limits.adopt(receiver_limits(settings))
        self._connections.adopt(connection_limits(settings))

    def serve_metrics(self, metrics: Metrics, health: Callable[[], Health]) -> str:
        """Serve ``/metrics``, ``/healthz`` and ``/readyz``; gives the address."""
        app = guard_metrics(create_metrics_app(metrics, health), self._entrances["metrics"])
        return self._serve("metrics", app, ssl.CERT_OPTIONAL)

    def serve_api(self, api: FastAPI, intake: FeedbackIntake, *more: APIRouter) -> str:
        """Serve the page, the API, ``POST /v1/feedback`` and ``more``; gives the address."""
        for router in more:
            api.include_router(router)
        api.include_router(feedback.feedback_router(intake))
        is_local = self._settings.api.listen.is_loopback
        return self._serve("api", guard_api(api, self._entrances["api"], intake, is_local=is_local))

    def serve_otlp_http(self, intake: Intake, forwarding: Forwarding | None = None) -> str:
        """Take OTLP in over HTTP; gives the address."""
        app = otlp_http.create_app(intake, self.limits, forwarding, self._spans)
        guarded = guard_otlp(app, self._entrances["otlp.http"], intake)
        return self._serve("otlp.http", guarded, when_busy=otlp_http.when_busy(intake))

    async def serve_otlp_grpc(self, intake: Intake, forwarding: Forwarding | None = None) -> str:
        """Take OTLP in over gRPC; gives the address."""
        listen, door = self._settings.otlp.grpc.listen, self._entrances[GRPC]
        server = otlp_grpc.create_server(
            intake, self.limits, self._connections, guard_calls(door.tokens, intake), forwarding, self._spans
        )
        credentials = door.credentials()
        try:
            port = (
                server.add_insecure_port(str(listen))
                if credentials is None
                else server.add_secure_port(str(listen), credentials)
            )
        except RuntimeError as error:
            raise CannotListen(listen_problem(f"{GRPC}.listen", str(listen), "address already in use?")) from error
        await server.start()
        self._stack.push_async_callback(server.stop, GRPC_GRACE_S)
        return str(replace(listen, port=port))

    async def _look_at_tokens(self) -> None:
        """Read what has changed, also at a port where nobody comes."""
        while True:
            for entrance in self._entrances.values():
                if entrance.tokens is not None:
                    entrance.tokens.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def _serve(
        self,
        section: str,
        app: ASGIApp,
        certificate: ssl.VerifyMode = ssl.CERT_REQUIRED,
        when_busy: Busy = busy,
    ) -> str:
        tls = self._entrances[section].context(certificate)
        server = HttpServer(app, self._listeners[section], self._connections, tls, when_busy)
        server.begin()
        self._stack.push_async_callback(server.end)
        return server.address
