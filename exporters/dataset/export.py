"""Writing a dataset to files or to standard output. Owns what all formats need alike: unique ids, whole files."""

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats import FORMATS, DatasetFile, Format
from exporters.dataset.formats.jsonl import frozen, line

STDOUT = "-"
ALL = "all"
"""The name that stands for every format."""
LEFT_OUT = "left-out.txt"
"""The file of an archive that says what is not in it."""

IN_MEMORY = 8 * 1024 * 1024
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can hold: the same cases give the same bytes."""


class ExportError(Exception):
    """A dataset could not be written. The text says what was wrong and what to do."""


def export(cases: Iterable[Case], format_name: str, path: str | Path) -> int:
    """Write the cases in this format and return how many there were.

    Each file appears whole or not at all: a reader never sees half of one, and a failure leaves the old one as it was.

    Args:
        cases: in the order in which they are to be written.
        format_name: a key of ``FORMATS``, or ``all``.
        path: a directory (made for ``all``, and where it ends with a slash) takes all files of the format under their
            own names; anything else is the path of its main file alone; ``-`` is standard output.

    Raises:
        ExportError: no such format or none that can be written here, two cases with one id, or a file can't be written.
    """
    chosen = formats_named(format_name)
    if str(path) == STDOUT:
        if format_name == ALL:
            raise ExportError(f"format {ALL!r} is many files; name a folder with --out")
        return write(cases, chosen[0].main, sys.stdout.buffer)
    target = Path(path)
    try:
        if format_name == ALL or str(path).endswith(os.sep):
            target.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            return _write_all(cases, files_of(chosen), target)
        return _write_whole(cases, chosen[0].main, target)
    except OSError as error:
        raise ExportError(f"{target}: {error.strerror or type(error).__name__}; name a file that can be made") from None


def files_written(format_name: str, path: str | Path) -> tuple[str, ...]:
    """The names of the files that an export to this folder has written; none where the path names its one file."""
    if str(path) == STDOUT or not Path(path).is_dir():
        return ()
    return tuple(file.name for file in files_of(formats_named(format_name)))


def formats_named(name: str) -> tuple[Format, ...]:
    """The format of this name, or every one that this installation can write for ``all`` (see ``left_out``).

    Raises:
        ExportError: there is none, with those there are; or it needs a package that is missing, with the way to get it.
    """
    if name == ALL:
        return tuple(format_ for format_ in FORMATS.values() if format_.missing is None)
    try:
        chosen = FORMATS[name]
    except KeyError:
        raise ExportError(f"format {name[:40]!r} does not exist; there are: {', '.join(FORMATS)}, {ALL}") from None
    if chosen.missing is not None:
        raise ExportError(chosen.missing)
    return (chosen,)


def left_out(name: str) -> tuple[str, ...]:
    """What an export of this name goes without, a sentence for each format: ``all`` is what can be written here."""
    return tuple(filter(None, (format_.missing for format_ in FORMATS.values()))) if name == ALL else ()


def files_of(formats: Iterable[Format]) -> list[DatasetFile]:
    """Every file of these formats, each once: some share helpers."""
    return list(dict.fromkeys(file for format_ in formats for file in format_.files))


def write(cases: Iterable[Case], file: DatasetFile, out: IO[bytes]) -> int:
    """Write the cases to an open stream.

    Raises:
        ExportError: two cases with one id.
    """
    count = file.write(_unique(cases), out)
    out.flush()
    return count


def write_zip(cases: Iterable[Case], formats: Iterable[Format], out: IO[bytes], notes: Sequence[str] = ()) -> int:
    """Write all files of these formats as one zip file to an open stream. The same cases give the same bytes.

    ``notes`` say what is not in it; they are in its ``left-out.txt``.

    Raises:
        ExportError: two cases with one id.
    """
    with _Snapshot(cases) as snapshot, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files_of(formats):
            with archive.open(zipfile.ZipInfo(file.name, _ZIP_TIME), "w", force_zip64=True) as member:
                file.write(snapshot.cases(), member)
        if notes:
            archive.writestr(zipfile.ZipInfo(LEFT_OUT, _ZIP_TIME), "".join(f"{note}\n" for note in notes))
        return snapshot.count


class _Snapshot:
    """The cases of one export, to be gone through many times: all files of a dataset hold the same ones."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.count = 0
        self._spool = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed by __exit__
        for case in _unique(cases):
            self._spool.write(line(case))
            self.count += 1

    def cases(self) -> Iterator[Case]:
        self._spool.seek(0)
        return (frozen(written) for written in self._spool)

    def __enter__(self) -> "_Snapshot":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def _unique(cases: Iterable[Case]) -> Iterator[Case]:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise ExportError(
                f"two cases have the id {case.id}: eval tools would take them for one; export one of them"
            )
        seen.add(case.id)
        yield case


def _write_all(cases: Iterable[Case], files: Iterable[DatasetFile], folder: Path) -> int:
    with _Snapshot(cases) as snapshot:
        for file in files:
            _write_whole(snapshot.cases(), file, folder / file.name)
        return snapshot.count


def _write_whole(cases: Iterable[Case], file: DatasetFile, target: Path) -> int:
    # In the same directory, since a rename is atomic within one file system only. Not made by `tempfile`: a dataset
    # is to be read by others, with the rights that the user's umask gives any file.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as out:
            count = write(cases, file, out)
            os.fsync(out.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return count
