"""Notices that files were replaced, without a thread: whoever uses them asks, and at most once a second the disk is.

Works for files that are written in place and for those that are swapped by a link, as Kubernetes does with secrets.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

LOOK_EVERY_S = 1.0

_Signature = tuple[tuple[int, int, int] | None, ...]


class Watch:
    """Says whether any of some files has changed since it was last asked. May be asked from any thread."""

    def __init__(self, paths: Iterable[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = tuple(paths)
        self._clock = clock
        self._lock = Lock()
        self._signature = self._look()
        self._looked_at = clock()

    def changed(self) -> bool:
        """Whether to read the files again; true once for each change."""
        with self._lock:
            now = self._clock()
            if now - self._looked_at < LOOK_EVERY_S:
                return False
            self._looked_at = now
            before, self._signature = self._signature, self._look()
            return before != self._signature

    def _look(self) -> _Signature:
        return tuple(_signature(path) for path in self._paths)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
