"""The composition root: makes every part from the settings, starts them in order and stops them in reverse.

The only module beside ``collector.cli`` that sees receivers, pipeline and exporters together.
"""

import asyncio
import signal
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from socket import socket
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI

from checks import catalogue
from collector.access.calls import guard_calls
from collector.access.entrance import Entrance
from collector.access.http import guard_api, guard_metrics, guard_otlp
from collector.intake import Batch
from collector.part_options import connection_limits, front_options, kafka_options, receiver_limits
from collector.pipeline import heap
from collector.pipeline.explanation import Explainer
from collector.pipeline.forgetting import Forgetting
from collector.pipeline.front import Front
from collector.pipeline.inspection import InspectionPool, available_cores
from collector.pipeline.journal import Entry, Journal, Sync
from collector.pipeline.judge import JudgeOptions
from collector.receivers import decode, feedback, otlp_grpc, otlp_http
from collector.receivers.limits import ReceiverLimits
from collector.servers import CannotListen, HttpServer, allow_open_files, bind, listen_problem
from collector.settings import Settings
from exporters.dataset.case import CaseStatus
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app
from exporters.review.routes import create_api
from exporters.store import Store, StoreError

if TYPE_CHECKING:
    from collector.receivers.kafka.receiver import KafkaReceiver

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
        self._kafka: KafkaReceiver | None = None
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
        journal_problem = self._journal.problem if self._journal else None
        kafka_problem = self._kafka.problem if self._kafka else None
        problems = (self.front.dispatch.problem, journal_problem, self._pool.problem, kafka_problem)
        return Health(ready=not self._stopping, problems=tuple(problem for problem in problems if problem))

    async def _start(self) -> None:
        settings = self.settings
        self._entrances = {section: Entrance.of(section, port) for section, port in settings.ports.items()}
        listeners = {name: bind(f"{key}.listen", *where) for name, (key, where) in self._http_addresses().items()}
        for listener in listeners.values():
            self._stack.callback(listener.close)
        grpc = settings.otlp.grpc.listen
        bind(
            "otlp.grpc.listen", grpc.host, grpc.port
        ).close()  # gRPC binds it itself, and would log what stands in the way
        self.store = await asyncio.to_thread(Store.open, settings.store.url, settings.data_dir)
        self._stack.callback(self.store.close)
        self._pool = self._make_pool()
        self._stack.push_async_callback(asyncio.to_thread, self._pool.close)
        self._journal = self._open_journal()
        self.front = Front(front_options(settings), self._pool, self.store, self.metrics, self._journal)
        servers = self._http_servers(listeners)
        self._begin(servers["metrics"])  # first to start and last to stop: a drain can be watched
        self._stack.push_async_callback(self.front.stop, STOP_WITHIN_S)
        self.front.start()
        self._in_background(self.front.replay(self._decode_again), "replay")
        self._begin(servers["api"])
        self._begin(servers["otlp_http"])
        self._kafka = self._start_kafka()
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

    def _http_servers(self, listeners: Mapping[str, socket]) -> dict[str, HttpServer]:
        limits, doors = connection_limits(self.settings), self._entrances
        otlp = otlp_http.create_app(self.front, receiver_limits(self.settings))
        api = self._api()
        api.include_router(feedback.feedback_router(self.front))
        api_is_local = self.settings.api.listen.is_loopback
        metrics = create_metrics_app(self.metrics, self.health)
        return {
            "otlp_http": HttpServer(
                guard_otlp(otlp, doors["otlp.http"], self.front),
                listeners["otlp_http"],
                limits,
                doors["otlp.http"].context(),
                otlp_http.when_busy(self.front),
            ),
            "api": HttpServer(
                guard_api(api, doors["api"], self.front, is_local=api_is_local),
                listeners["api"],
                limits,
                doors["api"].context(),
            ),
            "metrics": HttpServer(
                guard_metrics(metrics, doors["metrics"]),
                listeners["metrics"],
                limits,
                doors["metrics"].context(ssl.CERT_OPTIONAL),
            ),
        }

    def _api(self) -> FastAPI:
        settings, folder = self.settings, self.settings.data_dir / "quarantine"
        return create_api(
            self.store,
            trace_url=settings.api.trace_url,
            forget=Forgetting(self.front, self.store, self._journal, settings.data_dir),
            explain=Explainer(self.store, settings.checks, folder, self.front),
        )

    def _make_pool(self) -> InspectionPool:
        settings = self.settings
        return InspectionPool(
            JudgeOptions(settings.checks, settings.promotion.mode != "off", settings.promotion.redact),
            catalogue.build(settings.checks),
            settings.worker_count(available_cores()),
            settings.data_dir / "quarantine",
            on_restart=lambda: self.metrics.inc("sidecheck_worker_restarts_total"),
            on_removed=lambda: self.metrics.inc("sidecheck_dropped_total", what="quarantined", reason="folder_full"),
        )

    async def _start_grpc(self) -> str:
        listen = self.settings.otlp.grpc.listen
        door = self._entrances["otlp.grpc"]
        limits, connections = receiver_limits(self.settings), connection_limits(self.settings)
        server = otlp_grpc.create_server(self.front, limits, connections, guard_calls(door.tokens, self.front))
        credentials = door.credentials()
        try:
            port = (
                server.add_insecure_port(str(listen))
                if credentials is None
                else server.add_secure_port(str(listen), credentials)
            )
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

    def _start_kafka(self) -> "KafkaReceiver | None":
        if not self.settings.kafka.bootstrap_servers:
            return None
        from collector.receivers.kafka.receiver import KafkaReceiver

        receiver = KafkaReceiver(kafka_options(self.settings), receiver_limits(self.settings), self.front, self.metrics)
        self.front.set_aside = receiver.set_aside
        self._stack.push_async_callback(receiver.stop)
        receiver.start()
        return receiver

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


async def run_until_signal(settings: Settings) -> None:
    """Run a sidecar until SIGINT or SIGTERM."""
    heap.keep_small()
    too_few = allow_open_files(settings.limits.connections)
    if too_few is not None:
        log.warning("fewer files may be open than limits.connections needs; raise `ulimit -n`", open_files=too_few)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with Sidecar(settings) as sidecar:
        log.info("ready", version=version("sidecheck"), **asdict(sidecar.addresses))
        await stop.wait()
        log.info("stopping", open_traces=sidecar.front.open_traces)
    log.info("stopped")
