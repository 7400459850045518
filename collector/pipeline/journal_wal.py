"""SQLite's write-ahead log, looked at from outside: how much of it was meant to be there.

SQLite reads it up to the first frame that is not whole and says nothing of the rest; only the difference between what
it read and what stands in the file tells that something was lost. Format:
https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import struct
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 16_384
"""Of a new journal. Each page is written by a call of its own, twice, and a request mostly takes many."""
EARLIER_BYTES = 4096
"""SQLite's default, that of journals which earlier versions made."""
_HEADER = struct.Struct(">8xI4xII8x")
_FRAME_HEADER = struct.Struct(">4xIII8x")


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of the current round of the log: all, and those up to the last one that ends a transaction."""

    total: int = 0
    committed: int = 0


def frames_of(wal: Path) -> Frames:
    """What the file at ``wal`` holds; nothing where it is not there."""
    if not wal.exists() or wal.stat().st_size < _HEADER.size:
        return Frames()
    total = committed = 0
    with wal.open("rb") as file:
        page_bytes, *salts = _HEADER.unpack(file.read(_HEADER.size))
        if page_bytes != EARLIER_BYTES:
            page_bytes = PAGE_BYTES  # the header's own word for it may be what is damaged
        while header := file.read(_FRAME_HEADER.size):
            if len(header) < _FRAME_HEADER.size:
                return Frames(total + 1, committed)
            commit, *frame_salts = _FRAME_HEADER.unpack(header)
            # Each round has new salts, both of them: where only one differs, it is damaged.
            if not any(mine == its for mine, its in zip(salts, frame_salts, strict=True)):
                break
            total += 1
            if len(file.read(page_bytes)) == page_bytes and commit:
                committed = total
    return Frames(total, committed)
