"""Traces that no worker survived, on disk with the reason: for whoever has to find out why. Bounded, oldest out first.

The files are those that ``sidecheck check`` reads. Losing one loses no verdict: the trace is in the store as well.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from collector.pipeline.job import Job, whole

MOST_TRACES = 100
MOST_BYTES = 256 * 1024 * 1024

log = structlog.get_logger()


@dataclass(slots=True)
class _Kept:
    """The files of one quarantined trace."""

    files: list[Path]
    bytes: int = 0
    at_ns: int = 0

    def add(self, file: Path) -> None:
        found = file.stat()
        self.files.append(file)
        self.bytes += found.st_size
        self.at_ns = max(self.at_ns, found.st_mtime_ns)


class Quarantine:
    """A folder of traces, three files each at most. ``on_removed`` is called for each trace that had to make room.

    May be used from any thread. A disk that cannot be written is logged, and is nobody else's problem.
    """

    def __init__(
        self,
        folder: Path,
        on_removed: Callable[[], None] = lambda: None,
        most_traces: int = MOST_TRACES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._folder = folder
        self._on_removed = on_removed
        self._most_traces = most_traces
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def add(self, job: Job, reason: str) -> None:
        """Write a trace and the reason why it is here; remove the oldest ones that are too many."""
        log.error("trace quarantined", trace_id=job.trace_id, reason=reason)
        try:
            with self._lock:
                self._write(whole(job)[0], reason)
                self._make_room()
        except OSError as error:
            log.error("the quarantined trace could not be written", trace_id=job.trace_id, error=error.strerror)

    def _write(self, job: Job, reason: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{job.trace_id}.binpb").write_bytes(job.spans)
        if job.logs:
            (self._folder / f"{job.trace_id}.logs.binpb").write_bytes(job.logs)
        (self._folder / f"{job.trace_id}.reason.txt").write_text(reason + "\n", encoding="utf-8")

    def _make_room(self) -> None:
        """The newest one stays, whatever its size: a trace is bounded itself."""
        newest_first = sorted(self._kept(), key=lambda kept: kept.at_ns, reverse=True)
        total = 0
        for place, kept in enumerate(newest_first):
            total += kept.bytes
            if place and (place >= self._most_traces or total > self._most_bytes):
                for file in kept.files:
                    file.unlink(missing_ok=True)
                self._on_removed()

    def _kept(self) -> list[_Kept]:
        found: defaultdict[str, _Kept] = defaultdict(lambda: _Kept([]))
        for file in self._folder.iterdir():
            found[_trace_of(file)].add(file)
        return list(found.values())


def remove(folder: Path | None, trace_ids: Collection[str]) -> int:
    """Remove the files of traces that are to be forgotten. Returns how many traces had some. Raises ``OSError``."""
    gone = [file for file in _files(folder) if _trace_of(file) in trace_ids]
    for file in gone:
        file.unlink(missing_ok=True)
    return len({_trace_of(file) for file in gone})


def discard(folder: Path | None, trace_ids: Collection[str]) -> None:
    """As ``remove``, for those that were put here after they had been forgotten. A bad disk is logged."""
    try:
        remove(folder, trace_ids)
    except OSError as error:
        log.error("forgotten traces could not be removed from the quarantine", error=error.strerror)


def holding(folder: Path | None, matches: Callable[[bytes], bool]) -> set[str]:
    """The ids of the traces whose telemetry ``matches``. Raises ``OSError``."""
    return {_trace_of(file) for file in _files(folder) if file.suffix == ".binpb" and matches(file.read_bytes())}


def trace_ids(folder: Path | None) -> set[str]:
    """The ids of all traces that are here; none where the folder cannot be read."""
    try:
        return {_trace_of(file) for file in _files(folder)}
    except OSError:
        return set()


def reason_of(folder: Path | None, trace_id: str) -> str | None:
    """Why a trace is here; ``None`` if it is not."""
    try:
        return (folder / f"{trace_id}.reason.txt").read_text(encoding="utf-8").strip() if folder else None
    except OSError:
        return None


def _files(folder: Path | None) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()] if folder is not None and folder.is_dir() else []


def _trace_of(file: Path) -> str:
    return file.name.partition(".")[0]
