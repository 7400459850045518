"""How worker processes come to be: copies of one process that has loaded what they need, where the system can do that.

Presidio alone takes a second of CPU and 70 MiB to load. As copies, workers share the memory, and one that died is
replaced within a tenth of a second. Elsewhere than on Linux each worker loads everything for itself: forking is not
safe there. Owns the pool's start and its calls; what becomes of a call that fails is the business of ``inspection``.
"""

import asyncio
import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
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
LOADED_WITHIN_S = 60.0
"""After so long the pool is started all the same, and waits itself."""
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
        wanted = {_PRESIDIO: finds_pii, _PRICES: options.prices is not None}
        self._preloaded = [*_NEEDED_BY_ALL, *(name for name, is_wanted in wanted.items() if is_wanted)]
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
        if _FORKS:
            forkserver.set_forkserver_preload(self._preloaded)
            forkserver.ensure_running()  # here, as it ends with the thread that starts it
            await _all_loaded()


async def _all_loaded() -> None:
    """Wait until all is loaded that workers are copied with, which is when the first copy is there.

    On a thread that nobody waits for: a process that is to end meanwhile ends.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def copy() -> None:
        first = multiprocessing.get_context("forkserver").Process(target=_nothing, daemon=True)
        with suppress(OSError, EOFError):  # there will be no worker either, and the pool tells of that
            first.start()
            first.join()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=copy, daemon=True, name="first copy").start()
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), LOADED_WITHIN_S)


def _nothing() -> None:
    """What the first copy does."""


def _kill_all() -> None:
    for child in multiprocessing.active_children():
        if child.name == WORKERS_NAME:
            child.kill()


def _context() -> BaseContext:
    return multiprocessing.get_context("forkserver" if _FORKS else "spawn")
