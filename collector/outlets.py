"""What goes out beside the store: telemetry to other backends, verdicts as events, webhooks.

Owns that each is loaded when it is first wanted, and follows the settings while all runs. What is sent, and how, is
``collector.forwarding``'s and ``collector.notifying``'s business.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog

from collector.backends import refuse_loops
from collector.change import NO_CHANGE, Change, Prepare, put_to_use
from collector.receivers.limits import ReceiverLimits
from collector.settings import Settings
from exporters.metrics.prometheus import Metrics
from exporters.otlp.hops import MOST as MOST_HOPS
from exporters.otlp.queue_file import drop_left_over
from exporters.packed import Packed
from exporters.store import SaveResult
from exporters.tasks import lasting

if TYPE_CHECKING:  # an HTTP and a gRPC client, an SDK, a template engine: most have nothing to send
    from collector.forwarding import Forwarding
    from collector.notifying import Hook, Notifying
    from exporters.notify.event import Event
    from exporters.otlp.results import Results

log = structlog.get_logger()


class Outlets:
    """All that is sent. To the receivers it is their ``collector.intake.Forwarding``; used on one event loop.

    ``own_id`` (16 hex digits) is no other process's: what is forwarded bears it.
    """

    def __init__(self, limits: ReceiverLimits, metrics: Metrics, own_id: str) -> None:
        self._own_id = own_id
        self._told_of_loop = False
        self._limits = limits
        self._metrics = metrics
        self._settings = Settings()  # in which nothing is sent
        self._forwarding: Forwarding | None = None
        self._results: Results | None = None
        self._notifying: Notifying | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def parts(self) -> Sequence[Prepare]:
        """What has to be made ready for other settings, each raising ``ConfigError``.

        The destinations come last: what waits for those that are no more is dropped when their queue is opened.
        """
        return self._prepare_loops, self._prepare_results, self._prepare_webhooks, self._prepare_destinations

    async def start(self, settings: Settings) -> None:
        """Begin to send. Raises ``ConfigError``."""
        if not settings.forward:
            await asyncio.to_thread(drop_left_over, settings.data_dir, self._dropped, time.time_ns)
        await put_to_use(settings, self.parts)
        self.adopted(settings)

    def adopted(self, settings: Settings) -> None:
        """These settings are put to use."""
        self._settings = settings

    @property
    def problems(self) -> Iterable[str | None]:
        """See ``Forwarder.problems``."""
        return () if self._forwarding is None else self._forwarding.problems

    def wants(self, signal: str) -> bool:
        """See ``collector.intake.Forwarding``."""
        return self._forwarding is not None and self._forwarding.wants(signal)

    def came_back(self, hops: Sequence[str]) -> bool:
        """See ``collector.intake.Forwarding``."""
        if self._own_id not in hops:
            return False
        self._tell_of_loop()
        return True

    async def keep(self, signal: str, body: bytes, *, is_json: bool, hops: Sequence[str] = ()) -> None:
        """See ``collector.intake.Forwarding``."""
        if self._forwarding is None:
            return
        if len(hops) >= MOST_HOPS:
            self._tell_of_loop()
            return
        await self._forwarding.keep(signal, body, is_json=is_json, hops=(*hops, self._own_id))

    async def scrub(self) -> bool:
        """See ``Forwarder.scrub``."""
        return True if self._forwarding is None else await self._forwarding.scrub()

    def tell_results(self, records: Sequence[Packed], _result: SaveResult) -> None:
        """Tell the backend of verdicts of what the store took."""
        if self._results is not None:
            self._results.tell(records)

    def tell_webhooks(self, records: Sequence[Packed], result: SaveResult) -> None:
        """Tell the webhooks of what the store took."""
        if self._notifying is not None:
            self._notifying.saved(records, result)

    @property
    def teller_of_budgets(self) -> "Callable[[Event], None] | None":
        """See ``Notifying``; ``None`` where no webhook is to be told."""
        return None if self._notifying is None else self._notifying.teller_of_budgets

    async def stop(self) -> None:
        """Send what is taken within a moment. What waits for destinations stays for the next start."""
        async with AsyncExitStack() as ends:  # last in, first out, and each whatever becomes of the others
            ends.push_async_callback(self._ended)
            if self._forwarding is not None:
                ends.push_async_callback(self._forwarding.stop)
            if self._results is not None:
                ends.push_async_callback(asyncio.to_thread, self._results.close)
            if self._notifying is not None:
                ends.push_async_callback(self._notifying.stop)

    async def _ended(self) -> None:
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _prepare_loops(self, settings: Settings) -> Change:
        await asyncio.to_thread(refuse_loops, settings)  # which asks the name service
        return NO_CHANGE

    async def _prepare_results(self, settings: Settings) -> Change:
        if settings.results == self._settings.results:
            return NO_CHANGE
        results = await asyncio.to_thread(_results_of, settings, self._metrics)
        if results is None:
            return Change(partial(self._tell_by, None))
        return Change(partial(self._tell_by, results), lambda: asyncio.to_thread(results.close))

    async def _prepare_webhooks(self, settings: Settings) -> Change:
        if (settings.notify, settings.api) == (self._settings.notify, self._settings.api):
            return NO_CHANGE
        if not settings.notify and self._notifying is None:
            return NO_CHANGE
        hooks = await asyncio.to_thread(_hooks_of, settings)
        return Change(partial(self._notify, hooks))

    async def _prepare_destinations(self, settings: Settings) -> Change:
        if settings.forward == self._settings.forward:
            return NO_CHANGE
        if self._forwarding is not None:
            connected = self._forwarding.connected(settings)
            return Change(partial(self._forwarding.adopt, connected), connected.discard)
        made = await asyncio.to_thread(_forwarding)  # the type: what it is made of takes its time to load
        forwarding = made(settings, self._limits, self._metrics)
        return Change(partial(self._forward_by, forwarding), forwarding.stop)

    def _tell_by(self, results: "Results | None") -> None:
        old, self._results = self._results, results
        if results is None:
            self._metrics.forget("sidecheck_queue_length", queue="results")
        else:
            self._metrics.watch("sidecheck_queue_length", lambda: results.waiting, queue="results")
        if old is not None:  # which sends what waits there, beside the new one
            task = lasting(asyncio.to_thread(old.close), "results end")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _notify(self, hooks: "Sequence[Hook]") -> None:
        if self._notifying is None:
            from collector.notifying import Notifying

            self._notifying = Notifying(self._metrics)
            self._notifying.start()
        self._notifying.adopt(hooks)

    def _dropped(self, reason: str, count: int) -> None:
        self._metrics.inc("sidecheck_dropped_total", count, what="forward", reason=reason)

    def _tell_of_loop(self) -> None:
        self._dropped("loop", 1)
        if not self._told_of_loop:
            log.warning("what is forwarded comes back here; a destination of `forward` leads to this sidecheck again")
        self._told_of_loop = True

    def _forward_by(self, forwarding: "Forwarding") -> None:
        self._forwarding = forwarding
        forwarding.start()


def _forwarding() -> "type[Forwarding]":
    from collector.forwarding import Forwarding

    return Forwarding


def _results_of(settings: Settings, metrics: Metrics) -> "Results | None":
    if settings.results.otlp is None:
        return None
    from collector.forwarding import results_to

    return results_to(settings.results.otlp, metrics)


def _hooks_of(settings: Settings) -> "Sequence[Hook]":
    from collector.notifying import hooks_of

    return hooks_of(settings)
