"""How worker processes come to be: copies of one process that has loaded what they need, where the system can do that.

Presidio alone takes a second of CPU and 70 MiB to load. As copies, workers share the memory, and one that died is
replaced within a tenth of a second. Elsewhere than on Linux each worker loads everything for itself: forking is not
safe there. Owns the pool's start and its calls; what becomes of a call that fails is the business of ``inspection``.
"""

import asyncio
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from typing import Any

from pebble import CONSTS, ProcessPool
from pebble.pool.process import WORKERS_NAME

from collector.pipeline.judge import JudgeOptions
from collector.pipeline.worker import start_worker

_FORKS = sys.platform == "linux"
_NEEDED_BY_ALL = ("collector.pipeline.mould", "collector.cli")
"""The second as ``multiprocessing`` runs the script of the front process once more in every worker."""
_PRESIDIO = "checks.builtin.pii.preloaded"
_PRICES = "genai_prices.data"
KILLED_AFTER_S = 0.5
"""Workers ignore the polite signal (see ``start_worker``); after so long comes the other one."""


class Workers:
    """Some worker processes, which are started when they are first called.

    ``finds_pii`` says whether they will look for personal data.
    """

    def __init__(self, count: int, options: JudgeOptions, memory_bytes: int, *, finds_pii: bool) -> None:
        CONSTS.term_timeout = KILLED_AFTER_S
        self._pool = ProcessPool(
            max_workers=count, initializer=start_worker, initargs=[options, memory_bytes], context=_context()
        )
        self._preloaded = [*_NEEDED_BY_ALL, *([_PRESIDIO] if finds_pii else []), _PRICES]
        self._start: asyncio.Future[Any] | None = None

    async def call(self, function: Callable[..., Any], arguments: Sequence[Any], within_s: float) -> Any:
        """Have a worker call ``function``. Raises what pebble's futures raise."""
        if self._start is None:
            self._start = asyncio.ensure_future(self._begin())
        if not self._start.done():
            await asyncio.shield(self._start)
        return await asyncio.wrap_future(self._pool.schedule(function, args=arguments, timeout=within_s))

    @property
    def are_there(self) -> bool:
        """Whether calls are answered: not if the pool gave up, or was ended."""
        return bool(self._pool.active)

    def end(self, done_within_s: float, *, kill_others: bool = False) -> None:
        """End them when they are done, or after so many seconds. Blocks.

        Args:
            done_within_s: how long those that are busy may take.
            kill_others: kill every worker of this process then, also those that only start: one from which the pool
                takes away what they share would end in a stack trace.
        """
        self._pool.close()
        try:
            self._pool.join(done_within_s)
        except TimeoutError:
            self._pool.stop()
            if kill_others:
                _kill_all()
            self._pool.join()

    async def _begin(self) -> None:
        """Start the processes without holding up the event loop: the first waits until all is loaded."""
        if _FORKS:
            forkserver.set_forkserver_preload(self._preloaded)
            forkserver.ensure_running()  # here, as it ends with the thread that starts it
        await asyncio.to_thread(self._pool.schedule, _nothing)


def _kill_all() -> None:
    for child in multiprocessing.active_children():
        if child.name == WORKERS_NAME:
            child.kill()


def _context() -> BaseContext:
    return multiprocessing.get_context("forkserver" if _FORKS else "spawn")


def _nothing() -> None:
    """The first call."""
