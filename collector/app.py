"""The composition root: makes every part from the settings, starts them in order and stops them in reverse.

The only module beside ``collector.cli`` that sees receivers, pipeline and exporters together.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import structlog
from starlette.types import ASGIApp

from checks import catalogue
from collector.intake import Batch
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.front import Front, FrontOptions
from collector.pipeline.inspection import InspectionPool, available_cores
from collector.pipeline.journal import Entry, Journal, Sync
from collector.pipeline.judge import JudgeOptions
from collector.receivers import decode, feedback, otlp_grpc, otlp_http
from collector.receivers.limits import ReceiverLimits
from collector.servers import CannotListen, HttpServer, bind, listen_problem
from collector.settings import Settings
from exporters.dataset.case import CaseStatus
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app
from exporters.review.routes import create_api
from exporters.store import CaseLimits, Store, StoreError

STOP_WITHIN_S = 6.0
"""Kubernetes and systemd give 30 and 90 s; a terminal's user gives less."""
RETAIN_EVERY_S = 60.0
GAUGES_EVERY_S = 5.0
GRPC_GRACE_S = 2.0
UNLIMITED = ReceiverLimits(request_bytes=2**40, spans_per_request=2**40, attribute_bytes=2**40)
"""What is in the journal was let in before."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running sidecar listens: ``host:port`` each, as bound."""

    otlp_grpc: str
    otlp_http: str
    api: str
    metrics: str


class Sidecar:
    """One running sidecheck. ``async with Sidecar(settings) as sidecar:`` starts and stops it.

    Raises ``CannotListen``, ``exporters.store.StoreError`` or ``checks.catalogue.CheckConfigError`` before anything
    is accepted.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.metrics.max_series)
        self.metrics.set("sidecheck_build_info", 1, version=version("sidecheck"))
        self._stack = AsyncExitStack()
        self._ready = False
        self._stopping = False

    async def __aenter__(self) -> "Sidecar":
        """Start everything; returns when telemetry is taken."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, receivers first."""
        self._stopping = True
        await self._stack.aclose()

    def health(self) -> Health:
        """What ``/healthz`` and ``/readyz`` say."""
        if not self._ready:
            return Health(ready=False)
        problems = (self.front.dispatch.problem, self._journal.problem if self._journal else None)
        return Health(ready=not self._stopping, problems=tuple(problem for problem in problems if problem))

    async def _start(self) -> None:
        settings = self.settings
        listeners = {name: bind(f"{key}.listen", *where) for name, (key, where) in self._http_addresses().items()}
        for listener in listeners.values():
            self._stack.callback(listener.close)
        self.store = await asyncio.to_thread(Store.open, settings.store.url, settings.data_dir)
        self._stack.callback(self.store.close)
        self._pool = self._make_pool()
        self._stack.push_async_callback(asyncio.to_thread, self._pool.close)
        self._journal = self._open_journal()
        self.front = Front(front_options(settings), self._pool, self.store, self.metrics, self._journal)
        servers = {name: HttpServer(app, listeners[name]) for name, app in self._http_apps().items()}
        self._begin(servers["metrics"])  # first to start and last to stop: a drain can be watched
        self._stack.push_async_callback(self.front.stop, STOP_WITHIN_S)
        self.front.start()
        self._in_background(self.front.replay(self._decode_again), "replay")
        self._begin(servers["api"])
        self._begin(servers["otlp_http"])
        grpc_address = await self._start_grpc()
        self.addresses = Addresses(grpc_address, **{name: server.address for name, server in servers.items()})
        self._watch()
        self._ready = True
        self._in_background(self._pool.warm_up(), "warm-up")  # telemetry is taken meanwhile

    def _begin(self, server: HttpServer) -> None:
        server.begin()
        self._stack.push_async_callback(server.end)

    def _http_addresses(self) -> dict[str, tuple[str, tuple[str, int]]]:
        settings = self.settings
        named = {
            "otlp_http": ("otlp.http", settings.otlp.http.listen),
            "api": ("api", settings.api.listen),
            "metrics": ("metrics", settings.metrics.listen),
        }
        return {name: (key, (address.host, address.port)) for name, (key, address) in named.items()}

    def _http_apps(self) -> dict[str, ASGIApp]:
        api = create_api(self.store, trace_url=self.settings.api.trace_url)
        api.include_router(feedback.feedback_router(self.front))
        return {
            "otlp_http": otlp_http.create_app(self.front, receiver_limits(self.settings)),
            "api": api,
            "metrics": create_metrics_app(self.metrics, self.health),
        }

    def _make_pool(self) -> InspectionPool:
        settings = self.settings
        return InspectionPool(
            JudgeOptions(settings.checks, settings.promotion.mode != "off", settings.promotion.redact),
            catalogue.build(settings.checks),
            settings.worker_count(available_cores()),
            settings.data_dir / "quarantine",
            on_restart=lambda: self.metrics.inc("sidecheck_worker_restarts_total"),
        )

    async def _start_grpc(self) -> str:
        listen = self.settings.otlp.grpc.listen
        server = otlp_grpc.create_server(self.front, receiver_limits(self.settings))
        try:
            port = server.add_insecure_port(str(listen))
        except RuntimeError as error:
            raise CannotListen(listen_problem("otlp.grpc.listen", str(listen), "address already in use?")) from error
        await server.start()
        self._stack.push_async_callback(server.stop, GRPC_GRACE_S)
        return str(replace(listen, port=port))

    def _open_journal(self) -> Journal | None:
        sync = Sync(self.settings.journal.sync)
        if sync is Sync.OFF:
            return None
        journal = Journal(self.settings.data_dir, sync)
        self._stack.push_async_callback(asyncio.to_thread, journal.close)
        self.metrics.inc("sidecheck_journal_recovered_total", journal.recovery.entries, what="entries")
        self.metrics.inc("sidecheck_journal_recovered_total", journal.recovery.lost, what="lost")
        self.metrics.watch("sidecheck_journal_bytes", journal.size)
        if journal.recovery.entries:
            log.info("requests that the last run did not finish are judged now", requests=journal.recovery.entries)
        return journal

    def _decode_again(self, entry: Entry) -> Batch:
        traces = decode.traces_from_protobuf(entry.traces, entry.source, UNLIMITED)
        logs = decode.logs_from_protobuf(entry.logs, entry.source, UNLIMITED)
        return Batch(entry.source, traces.pieces + logs.pieces)

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._stack.callback(task.cancel)

    def _watch(self) -> None:
        """Keep the gauges of the store fresh and the store within its retention."""
        self._in_background(_repeat(GAUGES_EVERY_S, self._refresh_gauges), "gauges")
        self._in_background(_repeat(RETAIN_EVERY_S, self._retain), "retention")

    def _refresh_gauges(self) -> None:
        counts = self.store.counts()
        for status in CaseStatus:
            self.metrics.set("sidecheck_cases", counts.cases.get(status, 0), status=status.value)
        self.metrics.set("sidecheck_store_bytes", counts.bytes)

    def _retain(self) -> None:
        keep = self.settings.store.retention
        self.store.retain(time.time_ns(), keep.age, keep.size, keep.flagged)


async def _repeat(every_s: float, work: Callable[[], None]) -> None:
    while True:
        try:
            await asyncio.to_thread(work)
        except StoreError as error:
            log.warning("store upkeep failed; trying again", work=work.__name__, problem=str(error))
        await asyncio.sleep(every_s)


def front_options(settings: Settings) -> FrontOptions:
    """The pipeline's options, out of the settings."""
    assembly = settings.assembly
    return FrontOptions(
        assembly=AssemblyLimits(
            assembly.settle, assembly.idle, assembly.max_age, assembly.max_spans, assembly.max_bytes
        ),
        memory_bytes=settings.limits.memory,
        case_status=CaseStatus.PROMOTED if settings.promotion.mode == "auto" else CaseStatus.CANDIDATE,
        case_limits=CaseLimits(settings.promotion.per_cluster, settings.promotion.per_day),
    )


def receiver_limits(settings: Settings) -> ReceiverLimits:
    """The receivers' limits, out of the settings."""
    limits = settings.limits
    return ReceiverLimits(limits.request, limits.spans_per_request, limits.attribute_value)


async def run_until_signal(settings: Settings) -> None:
    """Run a sidecar until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with Sidecar(settings) as sidecar:
        log.info("ready", version=version("sidecheck"), **asdict(sidecar.addresses))
        await stop.wait()
        log.info("stopping", open_traces=sidecar.front.open_traces)
    log.info("stopped")
