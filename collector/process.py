"""What every long-running process of sidecheck is: started in order, stopped in reverse, asked how it is.

Owns the order, the health and the work in the background; what there is to start is for each process to say.
"""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Self

import structlog

from collector.logs import place_of
from collector.own_telemetry import OwnTelemetry
from collector.pipeline import heap
from collector.servers import allow_open_files
from collector.settings import Settings
from collector.spans import Spans
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health
from exporters.store import Store, StoreError

AGAIN_S = 2.0
"""Work that failed is tried again so soon, whatever its rhythm: health tells of it until it succeeds."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running process listens: ``host:port`` each, as bound; ``None`` where it does not."""

    otlp_grpc: str | None = None
    otlp_http: str | None = None
    api: str | None = None
    metrics: str | None = None


class Process(ABC):
    """``async with Kind(settings) as process:`` starts and stops it.

    A kind says what there is to start and what is wrong. Raises ``CannotListen``, ``exporters.store.StoreError`` or
    ``checks.catalogue.CheckConfigError`` before anything is taken in.
    """

    addresses: Addresses

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.metrics.max_series)
        self.metrics.set("sidecheck_build_info", 1, version=version("sidecheck"))
        self._own = OwnTelemetry()
        self._stack = AsyncExitStack()
        self._ready = False
        self._stopping = False
        self._failing: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Start everything; returns when work is taken."""
        try:
            self._own.begin(self.settings, self.metrics)
            # Ends after all else, which tells of its own end.
            self._stack.push_async_callback(asyncio.to_thread, self._own.close)
            await self._start()
        except BaseException as error:
            self._own.past("start", type(error).__name__)
            self._own.stopping()
            await self._stack.aclose()
            raise
        self._own.past("start")
        self._ready = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, what was started last first."""
        self._stopping = True
        self._own.stopping()
        await self._stack.aclose()

    def health(self) -> Health:
        """What ``/healthz`` and ``/readyz`` say."""
        if not self._ready:
            return Health(ready=False)
        problems = [*self._problems(), *self._failing.values()]
        return Health(ready=not self._stopping, problems=tuple(dict.fromkeys(filter(None, problems))))

    @property
    def spans(self) -> Spans:
        """Where the parts say what they do; to be asked once the start has begun."""
        return self._own.spans

    @property
    def unfinished(self) -> int:
        """What is left to do when a stop begins, for the log."""
        return 0

    async def hang_up(self) -> None:
        """What SIGHUP asks for: to read the configuration again. Never raises."""
        log.warning("this process cannot reload its configuration; start it anew")

    @abstractmethod
    async def _start(self) -> None:
        """Start every part, each with its end on ``_stack``, and set ``addresses``."""

    @abstractmethod
    def _problems(self) -> Iterable[str | None]:
        """What is wrong now, a sentence each; ``None`` for nothing."""

    async def _open_store(self, hold_ns: int) -> Store:
        """Open the store until the end. Raises ``exporters.store.StoreError``."""
        settings = self.settings
        # The journal forgets what the store has: that must be as safe there as it was in the journal.
        full_sync = settings.journal.sync == "full"
        store = await asyncio.to_thread(
            Store.open,
            settings.store.url,
            settings.data_dir,
            hold_ns,
            self._lost,
            full_sync=full_sync,
            password_file=settings.store.password_file,
        )
        self._stack.callback(store.close)
        return store

    def _lost(self, what: str, reason: str, count: int) -> None:
        self.metrics.inc("sidecheck_dropped_total", count, what=what, reason=reason)

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._stack.callback(task.cancel)

    def _repeat(self, every_s: float, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` again and again in the background; where it fails, health says so."""
        self._in_background(self._repeated(every_s, name, work), name)

    async def _repeated(self, every_s: float, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self._failing.pop(name, None)
            except Exception as error:  # noqa: BLE001 - work that ended would be done no more until the next start
                self._note(name, str(error) if isinstance(error, StoreError) else f"{name}: {place_of(error)}")
            await asyncio.sleep(min(every_s, AGAIN_S) if name in self._failing else every_s)

    def _note(self, name: str, problem: str) -> None:
        if name not in self._failing:
            log.warning("work in the background failed; trying again", work=name, problem=problem)
        self._failing[name] = f"{problem}; trying again"


def allow_connections(settings: Settings) -> None:
    """Let the process have as many files open as ``limits.connections`` needs, as far as it may."""
    too_few = allow_open_files(settings.limits.connections)
    if too_few is not None:
        log.warning("fewer files may be open than limits.connections needs; raise `ulimit -n`", open_files=too_few)


async def run_until_signal(process: Process) -> None:
    """Run a process until SIGINT or SIGTERM."""
    heap.keep_small()
    allow_connections(process.settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with process:
        reloads: set[asyncio.Task[None]] = set()

        def hang_up() -> None:
            task = asyncio.create_task(process.hang_up(), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        heap.collect_rarely()
        addresses = {name: address for name, address in asdict(process.addresses).items() if address is not None}
        log.info("ready", version=version("sidecheck"), **addresses)
        await stop.wait()
        log.info("stopping", unfinished=process.unfinished)
    log.info("stopped")
