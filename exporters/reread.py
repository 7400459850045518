"""What a file says, read again when it changes: tokens, secrets and addresses that rotate while they are in use."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

LARGEST_BYTES = 64 * 1024

log = structlog.get_logger()
T = TypeVar("T")


def text_of(path: Path) -> str:
    """The text of a small file of ASCII. Raises ``OSError``, or ``ValueError`` for bytes that are not."""
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES).decode("ascii")


class Reread(Generic[T]):
    """A file's value, by ``parse`` of its text, which raises ``ValueError`` without what the file holds.

    ``value`` is what holds until the file is read. One that breaks while it is in use is logged, as ``what``, and what
    it held before stays valid.
    """

    def __init__(self, what: str, path: Path, parse: Callable[[str], T], value: T) -> None:
        self._what = what
        self._path = path
        self._parse = parse
        self._value = value
        self._seen: tuple[int, int, int] | None = None
        self._is_broken = False

    def now(self) -> T:
        """The value to use now. Looks at the file, and reads it if it is another one than before."""
        try:
            stat = self._path.stat()
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen != self._seen:
                self._value = self._parse(text_of(self._path))
                self._seen = seen
            self._is_broken = False
        except (OSError, ValueError) as error:
            if not self._is_broken:
                problem = error.strerror if isinstance(error, OSError) else said(error)
                log.warning(
                    "a file cannot be used; what it held stays", what=self._what, file=str(self._path), problem=problem
                )
            self._is_broken = True
        return self._value


def said(error: ValueError) -> str:
    """What is wrong with a file's content, and nothing of the content: a decoder's error would quote it."""
    return "it is no ASCII text" if isinstance(error, UnicodeError) else str(error)
