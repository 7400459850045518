"""A trace that more may come for: its pieces, where they stand, and what they take.

Thousands wait when workers are behind, and the pages of the most that ever did stay with Python, since something small
that lasts lies on each: so a trace is few objects. Most traces come in one piece, which is kept as it came; a list, or
a set of ids, is made for the second.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from checks.constructor import constructor_of
from checks.trace import CloseReason
from collector.intake import Piece
from collector.pipeline.closed_trace import ClosedTrace
from collector.progress import Position

TRACE_BYTES, PIECE_BYTES, SPAN_BYTES = 2048, 256, 128
"""What an open trace, each piece and each span of it take beside their telemetry, here and in the other books of the
front process; measured on CPython 3.11. A million traces of one small span each are mostly this."""
ID_BYTES = 8
"""Of a span's id; see ``Piece``."""

Item = TypeVar("Item", bytes, Position)
_new_closed = constructor_of(ClosedTrace)


@dataclass(slots=True)
class Growing:
    """Times are the buffer's; at ``scheduled_ns`` it looks next. ``came`` counts spans, those that came twice too."""

    trace_id: str
    opened_ns: int
    touched_ns: int
    settles_ns: int | None = None
    has_root: bool = False
    spans: bytes | list[bytes] | None = None
    logs: bytes | list[bytes] | None = None
    log_count: int = 0
    ids: bytes | set[bytes] = b""
    span_count: int = 0
    digests: set[int] | None = None
    size: int = 0
    pieces: int = 0
    came: int = 0
    left_out: int = 0
    late: bool = False
    touched: bool = False
    positions: Position | list[Position] | None = None
    returns: bool = True
    counted: bool = False
    met_limit: CloseReason | None = None
    scheduled_ns: int = sys.maxsize

    @property
    def held(self) -> int:
        """The memory that it takes, books and all."""
        return TRACE_BYTES + self.size + PIECE_BYTES * self.pieces + SPAN_BYTES * self.came

    def stands_at(self, position: Position | None) -> None:
        """Note where a piece stands; ``None``: nowhere from which it would come again."""
        if position is None:
            self.returns = False
            return
        self.positions = position if self.positions is None else _with(self.positions, position)
        if self.returns and not position.source.returns:
            self.returns = False

    def keep(self, piece: Piece) -> int:
        """Add a piece to what is here; returns the memory that it takes, books and all."""
        came, size = len(piece.span_ids), len(piece.spans) + len(piece.logs)
        if piece.spans:
            self.spans = piece.spans if self.spans is None else _with(self.spans, piece.spans)
            self._add_ids(piece.span_ids)
        if piece.logs:
            self.logs = piece.logs if self.logs is None else _with(self.logs, piece.logs)
            self.log_count += piece.log_count
        if piece.has_root:
            self.has_root = True
        self.size += size
        self.pieces += 1
        self.came += came
        return size + PIECE_BYTES + SPAN_BYTES * came

    def came_before(self, piece: Piece) -> bool:
        """Whether the same bytes are here. The first piece is known by its bytes when the second comes."""
        if self.spans is None and self.logs is None:
            return False
        if self.digests is None:
            self.digests = {_digest(_joined(self.spans), _joined(self.logs))}
        digest = _digest(piece.spans, piece.logs)
        is_known = digest in self.digests
        self.digests.add(digest)
        return is_known

    def know(self, piece: Piece) -> None:
        """Know by its bytes a first piece of which not all is kept."""
        if self.digests is None:
            self.digests = {_digest(piece.spans, piece.logs)}

    @property
    def stand(self) -> list[Position]:
        """Where its pieces stand."""
        return _listed(self.positions)

    @property
    def contents(self) -> tuple[str, list[bytes], list[bytes]]:
        """Its id, spans and log records as they came."""
        return self.trace_id, _listed(self.spans), _listed(self.logs)

    def close(self, reason: CloseReason) -> ClosedTrace:
        """What goes on from here."""
        positions = tuple(_listed(self.positions))
        return _new_closed(
            trace_id=self.trace_id,
            spans=_joined(self.spans),
            logs=_joined(self.logs),
            closed_by=reason,
            span_count=self.span_count,
            truncated=self.met_limit is not None,
            late=self.late,
            touched=self.touched,
            has_root=self.has_root,
            positions=positions,
            left_out=self.left_out,
            counted=self.counted,
            returns=self.returns and bool(positions),
            log_count=self.log_count,
        )

    def _add_ids(self, new: Iterable[bytes]) -> None:
        """Count the spans that are not here yet."""
        if not self.ids:
            ids = set(new)
            self.ids = b"".join(ids)
        else:
            if isinstance(self.ids, bytes):
                self.ids = {self.ids[at : at + ID_BYTES] for at in range(0, len(self.ids), ID_BYTES)}
            ids = self.ids
            ids.update(new)
        self.span_count = len(ids)


def _with(held: Item | list[Item], new: Item) -> list[Item]:
    if isinstance(held, list):
        held.append(new)
        return held
    return [held, new]


def _listed(held: Item | list[Item] | None) -> list[Item]:
    if held is None:
        return []
    return held.copy() if isinstance(held, list) else [held]


def _joined(held: bytes | list[bytes] | None) -> bytes:
    if held is None:
        return b""
    return b"".join(held) if isinstance(held, list) else held


def _digest(spans: bytes, logs: bytes) -> int:
    return hash((spans, logs))
