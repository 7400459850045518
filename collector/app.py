"""The composition root: makes every part from the settings, starts them in order and stops them in reverse.

The other processes, which are less, have one of their own: ``collector.api_only``.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI

from checks import catalogue
from collector.budgets import LOOK_EVERY_S, Budgets
from collector.change import NO_CHANGE, Change, put_to_use
from collector.intake import Batch
from collector.logs import place_of
from collector.outlets import Outlets
from collector.part_options import front_options, judge_options, kafka_options, worker_memory
from collector.pipeline import heap, upkeep
from collector.pipeline.drafting import Admission, Drafting
from collector.pipeline.explanation import Explainer
from collector.pipeline.forgetting import Forgetting
from collector.pipeline.forking import NoWorkers
from collector.pipeline.front import Front
from collector.pipeline.inspection import InspectionPool, available_cores
from collector.pipeline.job import JudgeOptions
from collector.pipeline.journal import Entry, Journal, Sync
from collector.pipeline.options import FrontOptions
from collector.pipeline.rolling import RollingPool
from collector.pipeline.showing import Showing, read_trace
from collector.pipeline.worker import MEMORY_BYTES
from collector.ports import Ports
from collector.process import Addresses, Process, allow_connections
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from collector.reloading import CannotReload, Reloaded, Reloading, reload_router
from collector.settings import ConfigError, Settings
from collector.spans import Kind
from exporters.review.routes import create_api
from exporters.review.site import TraceLinks
from exporters.store.reopenings import HOLD_NS

if TYPE_CHECKING:
    from collector.receivers.kafka.receiver import KafkaReceiver

WORKERS_WITHIN_S = 120.0
"""A check of one's own may load a model."""
STOP_WITHIN_S = 6.0
"""Kubernetes and systemd give 30 and 90 s; a terminal's user gives less."""
RETAIN_EVERY_S = 15.0
GAUGES_EVERY_S = 5.0
CLAIM_EVERY_S = 2.0
"""How long feedback waits that came to a process which judges nothing."""
EBB_EVERY_S = 2.0
UNLIMITED = ReceiverLimits(request_bytes=2**40, spans_per_request=2**40, attribute_bytes=2**40)
"""What is in the journal was let in before."""

log = structlog.get_logger()


class Sidecar(Process):
    """One running sidecheck, whole. ``async with Sidecar(settings) as sidecar:`` starts and stops it.

    ``load`` reads the configuration again, for a reload; see ``Reloading``.
    """

    def __init__(self, settings: Settings, load: Callable[[], Settings] | None = None) -> None:
        super().__init__(settings)
        self._reloading = Reloading(settings, load or (lambda: settings), self._apply, self.metrics)
        self._quarantine = settings.data_dir / "quarantine"
        self._trace_links = TraceLinks(settings.api.trace_url)
        self._kafka: KafkaReceiver | None = None

    @property
    def unfinished(self) -> int:
        """The open traces."""
        return self.front.open_traces

    def _problems(self) -> Iterable[str | None]:
        front = self.front
        journal_problem = self._journal.problem if self._journal else None
        kafka_problem = self._kafka.problem if self._kafka else None
        own = front.dispatch.problem, front.decided.problem, journal_problem, self._pool.problem
        return *own, kafka_problem, *self._outlets.problems

    async def _start(self) -> None:
        settings = self.settings
        ports = self._ports = Ports(settings, self._stack, tuple(settings.ports), self.spans)
        self.store = await self._open_store(settings.assembly.settle + HOLD_NS)
        await self._start_outlets(ports.limits)
        self._pool = RollingPool(self._make_pool(settings), self.spans)
        self._stack.push_async_callback(asyncio.to_thread, self._pool.close)
        self._journal = self._open_journal()
        self.front = Front(
            front_options(settings), self._pool, self.store, self.metrics, self._journal, spans=self.spans
        )
        self.front.on_saved += (self._outlets.tell_results, self._outlets.tell_webhooks)
        self._budgets = Budgets(settings.budgets, self.store, self.metrics, lambda: self._outlets.teller_of_budgets)
        metrics = ports.serve_metrics(self.metrics, self.health)  # last to stop: a drain can be watched
        self._stack.push_async_callback(self.front.stop, STOP_WITHIN_S)
        self.front.start()
        self._in_background(self.front.replay(self._decode_again), "replay")
        api = ports.serve_api(self._api(), self.front, reload_router(self._reload))
        otlp_http = ports.serve_otlp_http(self.front, self._outlets)
        self._kafka = self._start_kafka(ports.limits)
        otlp_grpc = await ports.serve_otlp_grpc(self.front, self._outlets)
        self.addresses = Addresses(otlp_grpc, otlp_http, api, metrics)
        self._watch()
        self._in_background(self._warm_up(), "warm-up")  # telemetry is taken meanwhile

    async def _warm_up(self) -> None:
        with suppress(NoWorkers):  # which health tells of; batches ask for workers again
            await self._pool.warm_up()

    def _api(self) -> FastAPI:
        settings = self.settings
        self._explainer = Explainer(self.store, settings.checks, self._quarantine, self.front)
        return create_api(
            self.store,
            trace_url=self._trace_links,
            draft_case=Drafting(self.store, self._pool, asyncio.get_running_loop()),
            admit_cases=Admission(self._pool, asyncio.get_running_loop()),
            forget=self._forgetting(),
            problems=lambda: self.health().problems,
            read_trace=read_trace,
            show_trace=Showing(self._pool, asyncio.get_running_loop()),
            explain=self._explainer,
            budgets=lambda: self._budgets.states,
        )

    def _forgetting(self) -> Forgetting:
        scrub = self._outlets.scrub
        return Forgetting(self.front, self.store, self._journal, self.settings.data_dir, scrub_forwarded=scrub)

    async def hang_up(self) -> None:
        """See ``Process.hang_up``."""
        with suppress(ConfigError, CannotReload):  # which are logged
            await self._reload()

    async def _reload(self) -> Reloaded:
        with self.spans("reload", Kind.INTERNAL, {}):
            return await self._reloading()

    async def _apply(self, settings: Settings) -> None:
        """Put other settings to use: first all that may fail is made ready, then all of it changes."""
        parts = (self._prepare_workers, self._prepare_numbers, *self._outlets.parts, self._refuse_at_the_end)
        await put_to_use(settings, parts)

    async def _prepare_workers(self, settings: Settings) -> Change:
        if self._workers_of(settings) == self._workers_of(self.settings):
            return NO_CHANGE
        pool = self._make_pool(settings)
        try:
            async with asyncio.timeout(WORKERS_WITHIN_S):
                await pool.warm_up()
        except Exception as error:
            await asyncio.to_thread(pool.retire)
            raise CannotReload(f"workers do not start with these checks: {place_of(error)}") from error
        except asyncio.CancelledError:
            pool.retire(wait_s=0)
            raise
        return Change(partial(self._pool.replace, pool), partial(asyncio.to_thread, pool.retire))

    async def _prepare_numbers(self, settings: Settings) -> Change:
        """What only has to be written down where it is read."""
        return Change(partial(self._adopt, settings, front_options(settings)))

    async def _refuse_at_the_end(self, _settings: Settings) -> Change:
        if self._stopping:
            raise CannotReload("the sidecar is stopping")
        return NO_CHANGE

    def _adopt(self, settings: Settings, options: FrontOptions) -> None:
        self._explainer.adopt(settings.checks)
        self._budgets.adopt(settings.budgets)
        self.front.adopt(options)
        self._ports.adopt(settings)
        self._trace_links.template = settings.api.trace_url
        self.metrics.limit(settings.metrics.max_series)
        allow_connections(settings)
        self._outlets.adopted(settings)
        self.settings = settings

    def _workers_of(self, settings: Settings) -> tuple[JudgeOptions, int]:
        """What workers are made from: their options, and the memory of each."""
        workers = self._pool.workers
        return judge_options(settings), worker_memory(settings, workers, MEMORY_BYTES)

    def _make_pool(self, settings: Settings) -> InspectionPool:
        workers = settings.worker_count(available_cores())
        return InspectionPool(
            judge_options(settings),
            catalogue.build(settings.checks),
            workers,
            self._quarantine,
            on_restart=lambda: self.metrics.inc("sidecheck_worker_restarts_total"),
            on_removed=lambda: self.metrics.inc("sidecheck_dropped_total", what="quarantined", reason="folder_full"),
            memory_bytes=worker_memory(settings, workers, MEMORY_BYTES),
        )

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

    async def _start_outlets(self, limits: ReceiverLimits) -> None:
        """Sends from now on; ends after whatever hands it something."""
        self._outlets = Outlets(limits, self.metrics, secrets.token_hex(8))
        self._stack.push_async_callback(self._outlets.stop)
        await self._outlets.start(self.settings)

    def _start_kafka(self, limits: ReceiverLimits) -> "KafkaReceiver | None":
        if not self.settings.kafka.bootstrap_servers:
            return None
        from collector.receivers.kafka.receiver import KafkaReceiver

        receiver = KafkaReceiver(kafka_options(self.settings), limits, self.front, self.metrics, spans=self.spans)
        self.front.set_aside = receiver.set_aside
        self._stack.push_async_callback(receiver.stop)
        receiver.start()
        return receiver

    def _decode_again(self, entry: Entry) -> Batch:
        traces = decode.traces_from_protobuf(entry.traces, entry.source, UNLIMITED)
        logs = decode.logs_from_protobuf(entry.logs, entry.source, UNLIMITED)
        return Batch(entry.source, traces.pieces + logs.pieces)

    def _watch(self) -> None:
        """Keep the gauges of the store fresh and the store within its retention; judge what others left."""
        self._repeat(GAUGES_EVERY_S, "gauges", self._refresh_gauges)
        self._repeat(RETAIN_EVERY_S, "retention", self._retain)
        self._repeat(CLAIM_EVERY_S, "claim", self.front.claim)
        self._repeat(LOOK_EVERY_S, "budgets", self._budgets.look)
        self._repeat(EBB_EVERY_S, "memory", partial(self._give_back, heap.Ebb()))

    async def _refresh_gauges(self) -> None:
        await asyncio.to_thread(upkeep.refresh_gauges, self.store, self.metrics)

    async def _give_back(self, ebb: heap.Ebb) -> None:
        if ebb.has_come(self.front.admission.held_bytes, time.process_time()):
            await self._pool.forget_last()
            await asyncio.to_thread(heap.give_back)

    async def _retain(self) -> None:
        keep = self.settings.store.retention
        await upkeep.retain(self.store, keep.age, keep.size, keep.flagged)
        await asyncio.to_thread(upkeep.tidy_quarantine, self.store, self._quarantine)
