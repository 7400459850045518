"""What every dataset format is: the files that one eval tool reads. Shares nothing with another format."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO

from exporters.dataset.case import Case

Write = Callable[[Iterable[Case], IO[bytes]], int]
"""Writes every case, in this order, and returns how many it wrote. Opens, closes and flushes nothing."""


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One file of a format: the name that it bears in a folder, its media type, and what writes it.

    Two formats may both have one, the very same (as the scorer): it is written once. No two files bear one name.
    """

    name: str
    media_type: str
    write: Write


@dataclass(frozen=True, slots=True)
class Extra:
    """What an installation may lack: an extra of sidecheck by ``name``, and the ``module`` that comes with it."""

    name: str
    module: str


@dataclass(frozen=True, slots=True)
class Format:
    """The way one eval tool reads cases.

    ``name`` is what ``--format`` calls it, ``tool`` what people do. The first of ``files`` holds the cases, or those
    of the usual kind; the others are what the tool needs beside it, or a helper that makes the dataset run at once.
    """

    name: str
    tool: str
    files: tuple[DatasetFile, ...]
    needs: Extra | None = None

    @property
    def main(self) -> DatasetFile:
        """The file that is written where there can be only one."""
        return self.files[0]

    @property
    def missing(self) -> str | None:
        """What this installation lacks to write the format, and what to do; ``None``: nothing."""
        if self.needs is None or find_spec(self.needs.module) is not None:
            return None
        return f"format {self.name!r} needs {self.needs.module}: pip install 'sidecheck[{self.needs.name}]'"
