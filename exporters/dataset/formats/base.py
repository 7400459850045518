"""What every dataset format is: one file, one line in the table, nothing shared with another format."""

from collections.abc import Iterable
from typing import IO, Protocol

from exporters.dataset.case import Case


class Format(Protocol):
    """Writes cases the way one eval tool reads them."""

    @property
    def name(self) -> str:
        """What ``--format`` calls it."""
        ...

    @property
    def file_name(self) -> str:
        """The name its file usually bears."""
        ...

    @property
    def media_type(self) -> str:
        """The media type that a download of it has."""
        ...

    def write(self, cases: Iterable[Case], out: IO[bytes]) -> int:
        """Write every case, in this order, and return how many there were. Opens, closes and flushes nothing."""
        ...
