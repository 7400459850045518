"""Forgetting on demand, everywhere: the store, the open traces, the journal, the quarantine.

Owns the order. The store comes first among what is removed: from then on it refuses what is under way, on any replica,
so that nothing which is overlooked here can come back.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import structlog

from collector.pipeline import quarantine
from collector.pipeline.belonging import belonging, names
from collector.pipeline.front import Front
from collector.pipeline.journal import FILE_NAME, Journal
from collector.pipeline.journal_erasure import erase, traces_in
from collector.pipeline.journal_file import connect
from exporters.otlp.queue_file import FILE_NAME as FORWARD_FILE
from exporters.otlp.queue_file import scrub_at_rest
from exporters.store import ForgetTarget, Forgotten, Store, StoreError, StoreUnavailable

STORED_WITHIN_S = 20.0
"""How long to wait for the traces that are being judged; a worker may take as long as that over a bad one."""
POLL_S = 0.02
DEAD_LETTERS = "dead-letters.jsonl"
"""The receiver of Kafka puts records into this file that it cannot read."""

log = structlog.get_logger()


class Forgetting:
    """Forgets in a running sidecar. Used on the event loop; one at a time."""

    def __init__(
        self,
        front: Front,
        store: Store,
        journal: Journal | None,
        data_dir: Path,
        wall_ns: Callable[[], int] = time.time_ns,
        stored_within_s: float = STORED_WITHIN_S,
        scrub_forwarded: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._scrub_forwarded = scrub_forwarded
        self._front = front
        self._store = store
        self._journal = journal
        self._data_dir = data_dir
        self._folder = data_dir / "quarantine"
        self._wall_ns = wall_ns
        self._stored_within_s = stored_within_s
        self._lock = asyncio.Lock()

    async def __call__(self, target: ForgetTarget) -> Forgotten:
        """Remove all that is known of the target now. May be called again, and should be after an error.

        Raises:
            StoreError: not everything is removed; a retryable one says what has to end first.
        """
        async with self._lock:
            unstored = await self._unstored(target)
            forgotten = await asyncio.to_thread(self._store.forget, target, self._wall_ns(), unstored)
            let_go = await self._front.census.discard(forgotten.trace_ids)
            with _told(self._folder):
                quarantined = await asyncio.to_thread(quarantine.remove, self._folder, forgotten.trace_ids)
            self._front.reopen(forgotten.reopen)
            erased = await self._journal.erase(forgotten.trace_ids) if self._journal is not None else True
            erased &= self._scrub_forwarded is None or _told_of_waiting(await self._scrub_forwarded())
        erased = forgotten.erased and erased and not _put_aside(self._data_dir)
        return replace(forgotten, unstored=let_go, quarantined=quarantined, erased=erased)

    async def _unstored(self, target: ForgetTarget) -> set[str]:
        """The traces of the target that the store does not hold yet. A trace's own id needs no looking for."""
        if target.kind == "trace":
            return set()
        if self._front.is_replaying:
            raise StoreUnavailable("what the last run left in the journal is still being read; ask again in a moment")
        under_way = set(self._front.decided.under_way)
        opened = self._front.buffer.contents()
        found = await asyncio.to_thread(_among_open, target, opened)
        with _told(self._folder):
            found |= await asyncio.to_thread(quarantine.holding, self._folder, lambda data: names(target, data))
        await self._wait_for(under_way | found)
        return found

    async def _wait_for(self, trace_ids: Collection[str]) -> None:
        """Wait until those that are being judged are stored: the store knows whose they are."""
        try:
            async with asyncio.timeout(self._stored_within_s):
                while not self._front.decided.under_way.keys().isdisjoint(trace_ids):  # noqa: ASYNC110 - rare and short
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise StoreUnavailable("some traces are still being judged; ask again in a moment") from None


def forget_at_rest(store: Store, data_dir: Path, target: ForgetTarget, now_ns: int) -> Forgotten:
    """Forget where no sidecar runs: in the store, in what the last run left in the journal, in the quarantine.

    Raises:
        StoreError, sqlite3.Error: not everything is removed.
    """
    folder, journal = data_dir / "quarantine", data_dir / FILE_NAME
    found: set[str] = set()
    erased = not _put_aside(data_dir)
    with _told(folder), contextlib.ExitStack() as stack:
        file = stack.enter_context(contextlib.closing(connect(journal))) if journal.exists() else None
        if target.kind != "trace" and file is not None:
            found = belonging(target, traces_in(file))
        also = quarantine.holding(folder, lambda data: names(target, data)) if target.kind != "trace" else set()
        forgotten = store.forget(target, now_ns, found | also)
        if file is not None:
            erased &= erase(file, forgotten.trace_ids)
        erased &= _told_of_waiting(scrub_at_rest(data_dir))
        quarantined = quarantine.remove(folder, forgotten.trace_ids)
    return replace(forgotten, unstored=len(found), quarantined=quarantined, erased=forgotten.erased and erased)


def forget_beside(store: Store, data_dir: Path, target: ForgetTarget, now_ns: int) -> Forgotten:
    """Forget where sidecars run that this process cannot ask: in the store, and in the quarantine if it is here.

    What they have open, in their journals and quarantines, they let go of by the hashes in the store.

    Raises:
        StoreError: not everything is removed.
    """
    folder = data_dir / "quarantine"
    with _told(folder):
        also = quarantine.holding(folder, lambda data: names(target, data)) if target.kind != "trace" else set()
        forgotten = store.forget(target, now_ns, also)
        quarantined = quarantine.remove(folder, forgotten.trace_ids)
    erased = forgotten.erased and not any((data_dir / name).exists() for name in (FILE_NAME, FORWARD_FILE))
    return replace(forgotten, quarantined=quarantined, erased=erased)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What goes wrong with the files of the quarantine, in a sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"the folder {folder}: {error.strerror}; look at its rights, then ask again") from None


def _put_aside(data_dir: Path) -> list[Path]:
    """Damaged journals and records that could not be read: nobody can say what is in them."""
    found = [*data_dir.glob(f"{FILE_NAME}.damaged-*"), *data_dir.glob(f"{FORWARD_FILE}.damaged-*")]
    found += [*data_dir.glob(f"{DEAD_LETTERS}*")]
    if found:
        log.warning("what was put aside may hold what is to be forgotten: delete it", files=[*map(str, found)])
    return found


def _told_of_waiting(scrubbed: bool) -> bool:
    if not scrubbed:
        log.warning("what still waits to be forwarded may hold what is forgotten here, and goes on to its destination")
    return scrubbed


def _among_open(target: ForgetTarget, opened: list[tuple[str, list[bytes], list[bytes]]]) -> set[str]:
    return belonging(target, ((trace_id, (b"".join(spans), b"".join(logs))) for trace_id, spans, logs in opened))
