"""Records to the store: a bounded queue, batches, retries, and a count of what could not be kept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from collector.logs import place_of
from collector.pipeline.decided import retried
from exporters.packed import Packed
from exporters.store import StoreContended, StoreError

QUEUE = 64
"""Batches that may wait for the store before the workers are held back."""
MOST_AT_ONCE = 1024
"""Records in one transaction at most."""
GATHER_S = 0.1
"""How long to wait for more where there are fewer: each transaction writes the pages that it touches, and of a large
index most records touch another one."""
TRIES = 10
"""Of the same records, some 20 s, before the store is asked whether it takes anything at all."""

log = structlog.get_logger()
Save = Callable[[Sequence[Packed]], Awaitable[None]]
Ended = Callable[[Sequence[Packed], str | None], None]
IsWell = Callable[[], Awaitable[bool]]
FAILED, GIVEN_UP = "store_failed", "store_retries"
"""Why a record is dropped: the store cannot take it, or does not though it takes others."""


class Dispatch:
    """One writer to the store.

    ``save`` raises ``StoreError``; a retryable one is tried again with growing waits, for as long as the store takes
    nothing: what was acknowledged must not be dropped because a disk is full for an hour. Meanwhile the queue fills up,
    the workers wait, the memory budget is used up, and senders are told to wait. But where it is
    contended after ``TRIES`` and ``is_well`` for others, the fault is with these records: those that go on failing by
    themselves are given up.
    ``ended`` is called with the records and ``None`` once they are kept, or with the reason why they were dropped.
    """

    def __init__(self, save: Save, ended: Ended, is_well: IsWell) -> None:
        self._save = save
        self._ended = ended
        self._is_well = is_well
        self._queue: asyncio.Queue[Sequence[Packed]] = asyncio.Queue(QUEUE)
        self._task: asyncio.Task[None] | None = None
        self._unwritten = 0
        self.problem: str | None = None
        """Why the store does not take records at this moment; ``None`` while it does."""

    def __len__(self) -> int:
        """Records that are not kept yet, those that are being written among them."""
        return self._unwritten

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="dispatch")

    async def put(self, records: Sequence[Packed]) -> None:
        """Queue a batch; waits while the queue is full."""
        await self._queue.put(records)
        self._unwritten += len(records)

    async def stop(self, within_s: float) -> int:
        """Write what is queued, then end. Returns how many records were left over after ``within_s`` seconds.

        Those that were being written are among them, though the store may have taken them in the end.
        """
        try:
            await asyncio.wait_for(self._queue.join(), within_s)
        except TimeoutError:
            log.error("the store did not take everything before the end", records=self._unwritten)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return self._unwritten

    async def _run(self) -> None:
        while True:
            await self._write_next()

    async def _write_next(self) -> None:
        """Write what is queued; apart from the loop, so that nothing of it is held while there is nothing to do."""
        batches = [await self._queue.get()]
        if self._unwritten < MOST_AT_ONCE:
            await asyncio.sleep(GATHER_S)
        while not self._queue.empty() and sum(map(len, batches)) < MOST_AT_ONCE:
            batches.append(self._queue.get_nowait())
        await self._write([record for batch in batches for record in batch])
        for batch in batches:
            self._unwritten -= len(batch)
            self._queue.task_done()

    async def _write(self, records: Sequence[Packed]) -> None:
        try:
            await retried(partial(self._try_to_save, records))
        except Exception as error:  # noqa: BLE001 - the writer must live; a record that cannot be kept costs itself only
            await self._write_apart(records, error)
            return
        self.problem = None
        self._ended(records, None)

    async def _try_to_save(self, records: Sequence[Packed], number: int) -> None:
        try:
            await self._save(records)
        except StoreError as error:
            if not error.is_retryable:
                raise
            if number % TRIES == 0 and isinstance(error, StoreContended) and await self._is_well():
                raise _StuckError(f"{error}, {number} times, though it takes others") from error
            self._note(f"{error}; trying again")
            raise

    async def _write_apart(self, records: Sequence[Packed], error: Exception) -> None:
        """After a failure that trying again will not mend: find out which records it is about."""
        if len(records) > 1:
            middle = len(records) // 2
            await self._write(records[:middle])
            await self._write(records[middle:])
            return
        self._note(str(error) if isinstance(error, StoreError) else place_of(error))
        self._ended(records, GIVEN_UP if isinstance(error, _StuckError) else FAILED)

    def _note(self, problem: str) -> None:
        if self.problem is None:
            log.warning("store degraded", problem=problem)
        self.problem = problem


class _StuckError(StoreError):
    """The store takes other records, and these not."""
