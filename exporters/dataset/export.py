"""Writing a dataset to a file or to standard output. Owns what all formats need alike: unique ids, whole files."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats import FORMATS, Format

STDOUT = "-"


class ExportError(Exception):
    """A dataset could not be written. The text says what was wrong and what to do."""


def export(cases: Iterable[Case], format_name: str, path: str | Path) -> int:
    """Write the cases in this format and return how many there were.

    The file appears whole or not at all: a reader never sees half of one, and a failure leaves the old one as it was.

    Args:
        cases: in the order in which they are to be written.
        format_name: a key of ``FORMATS``.
        path: the file; in an existing directory, the format's own file name; ``-`` for standard output.

    Raises:
        ExportError: no such format, two cases with one id, or the file can't be written.
    """
    chosen = format_named(format_name)
    if str(path) == STDOUT:
        return write(cases, chosen, sys.stdout.buffer)
    target = Path(path)
    target = target / chosen.file_name if target.is_dir() else target
    try:
        return _write_whole(cases, chosen, target)
    except OSError as error:
        raise ExportError(f"{target}: {error.strerror or type(error).__name__}; name a file that can be made") from None


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        ExportError: there is none; the text lists those there are.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise ExportError(f"format {name[:40]!r} does not exist; there are: {', '.join(FORMATS)}") from None


def write(cases: Iterable[Case], chosen: Format, out: IO[bytes]) -> int:
    """Write the cases to an open stream.

    Raises:
        ExportError: two cases with one id.
    """
    count = chosen.write(_unique(cases), out)
    out.flush()
    return count


def _unique(cases: Iterable[Case]) -> Iterator[Case]:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise ExportError(
                f"two cases have the id {case.id}: eval tools would take them for one; export one of them"
            )
        seen.add(case.id)
        yield case


def _write_whole(cases: Iterable[Case], chosen: Format, target: Path) -> int:
    # In the same directory, since a rename is atomic within one file system only. Not made by `tempfile`: a dataset
    # is to be read by others, with the rights that the user's umask gives any file.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as out:
            count = write(cases, chosen, out)
            os.fsync(out.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return count
