"""How worker processes come to be: copies of one process that has loaded what they need, where the system can do that.

Presidio alone takes a second of CPU and 70 MiB to load. As copies, workers share the memory, and one that died is
replaced within a tenth of a second. Where no copy can be made each worker loads everything for itself: elsewhere than
on Linux, as forking is not safe there, and where the process to copy cannot be reached (its socket is in the folder for
temporary files). Owns the pool's start and its calls; what becomes of a call that fails is the business of
``inspection``.
"""

import asyncio
import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from typing import Any

import structlog
from pebble import CONSTS, ProcessPool
from pebble.pool.process import WORKERS_NAME

from collector.pipeline.job import JudgeOptions
from collector.pipeline.pipe import Copying, Spawning
from collector.pipeline.worker import start_worker

_FORKS = sys.platform == "linux"
_NEEDED_BY_ALL = ("collector.pipeline.mould", "collector.cli")
"""The second as ``multiprocessing`` runs the script of the front process once more in every worker."""
_PRESIDIO = "checks.builtin.pii.preloaded"
_PRICES = "genai_prices.data"
LOADED_WITHIN_S = 60.0
"""After so long no copies are waited for any more."""
LOOKED_AT_EVERY_S = 1.0
"""How often a call that waits looks whether there still is somebody to answer."""
KILLED_AFTER_S = 0.5
"""Workers ignore the polite signal (see ``start_worker``); after so long comes the other one."""

log = structlog.get_logger()


class NoWorkers(Exception):
    """No worker process can be started at this moment. The text says why."""


class Workers:
    """Some worker processes, which are started when they are first called.

    ``finds_pii`` says whether they will look for personal data.
    """

    def __init__(self, count: int, options: JudgeOptions, memory_bytes: int, *, finds_pii: bool) -> None:
        CONSTS.term_timeout = KILLED_AFTER_S
        self._count = count
        self._initargs = [options, memory_bytes]
        wanted = {_PRESIDIO: finds_pii, _PRICES: options.prices is not None}
        self._preloaded = [*_NEEDED_BY_ALL, *(name for name, is_wanted in wanted.items() if is_wanted)]
        self._pool: ProcessPool | None = None
        self._is_ended = False
        self._was_well_at_its_end = False  # so that what still waits is forgotten on purpose
        self._start: asyncio.Future[ProcessPool] | None = None

    async def call(self, function: Callable[..., Any], arguments: Sequence[Any], within_s: float) -> Any:
        """Have a worker call ``function``. Raises what pebble's futures raise, and ``NoWorkers``."""
        if self._start is None:
            self._start = asyncio.ensure_future(self._begin())
        pool = await asyncio.shield(self._start)
        answer = asyncio.wrap_future(pool.schedule(function, args=arguments, timeout=within_s))
        try:
            while not (await asyncio.wait([answer], timeout=LOOKED_AT_EVERY_S))[0]:
                if not pool.active and not self._was_well_at_its_end:
                    raise NoWorkers("the worker processes are gone")  # while the call was on its way: it was forgotten
            return answer.result()
        finally:
            answer.cancel()

    @property
    def are_there(self) -> bool:
        """Whether calls are answered: not if the pool could not be started, gave up, or was ended."""
        return self._pool is not None and bool(self._pool.active)

    def end(self, done_within_s: float, *, kill_others: bool = False) -> None:
        """End them when they are done, or after so many seconds. Blocks.

        Args:
            done_within_s: how long those that are busy may take.
            kill_others: kill every worker of this process then, also those that only start.
        """
        self._is_ended = True
        pool = self._pool
        if pool is None:  # what is being started ends as soon as it is there
            return
        self._was_well_at_its_end = pool.active
        pool.close()
        try:
            pool.join(done_within_s)
        except TimeoutError:
            pool.stop()
            if kill_others:
                _kill_all()
            pool.join()

    async def _begin(self) -> ProcessPool:
        context = Copying() if await _can_be_copied(self._preloaded) else Spawning()
        pool = ProcessPool(self._count, initializer=start_worker, initargs=self._initargs, context=context)
        try:
            await asyncio.to_thread(lambda: pool.active)  # which starts them, and may wait for each
        except Exception as error:
            raise NoWorkers(f"no worker process can be started: {error.__cause__ or error}") from error
        self._pool = pool
        if self._is_ended:
            await asyncio.to_thread(self.end, 0)
        return pool


async def _can_be_copied(preloaded: Sequence[str]) -> bool:
    """Load what workers are copied with; gives whether a copy could be made."""
    if not _FORKS:
        return False
    forkserver.set_forkserver_preload(list(preloaded))
    loop, made = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def settle(is_made: bool) -> None:
        if not made.done():
            made.set_result(is_made)

    def copy() -> None:
        is_made = _is_copied()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, is_made)

    # On a thread that nobody waits for: a process that is to end meanwhile ends.
    threading.Thread(target=copy, daemon=True, name="first copy").start()
    try:
        return bool(await asyncio.wait_for(made, LOADED_WITHIN_S))
    except TimeoutError:
        log.warning("no copy of the loaded process came; each worker loads everything for itself")
        return False


def _is_copied() -> bool:
    """Whether a copy came; which is when all is loaded."""
    first = multiprocessing.get_context("forkserver").Process(target=_nothing, daemon=True)
    try:
        first.start()
    except (OSError, EOFError) as error:
        log.warning("workers cannot be copied; each loads everything for itself", error=str(error))
        return False
    first.join()
    return first.exitcode == 0


def _nothing() -> None:
    """What the first copy does."""


def _kill_all() -> None:
    for child in multiprocessing.active_children():
        if child.name == WORKERS_NAME:
            child.kill()
