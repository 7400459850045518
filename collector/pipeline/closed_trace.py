"""A trace on its way from the buffer to the workers."""

from dataclasses import dataclass

from checks.trace import CloseReason
from collector.progress import Position


@dataclass(frozen=True, slots=True)
class ClosedTrace:
    """A trace as it left the buffer: encoded OTLP as in ``Piece``.

    ``late`` says that it had been judged before; ``touched`` that feedback for it is in the store.
    ``has_root`` says whether a span without a parent is among ``spans``. ``positions`` say where its pieces stand: rows
    of the journal, offsets of partitions. ``left_out`` counts the spans of a piece that were one too many and were cut
    off. ``counted`` says that it is counted as accepted, ``returns`` that its sources give all of it again to
    whoever owns them next. ``log_count`` counts its log records.
    """

    trace_id: str
    spans: bytes
    logs: bytes
    closed_by: CloseReason
    span_count: int
    truncated: bool = False
    late: bool = False
    touched: bool = False
    has_root: bool = False
    positions: tuple[Position, ...] = ()
    left_out: int = 0
    counted: bool = False
    returns: bool = False
    log_count: int = 0

    @property
    def size(self) -> int:
        """Bytes of telemetry held."""
        return len(self.spans) + len(self.logs)

    @property
    def is_shared(self) -> bool:
        """Whether another replica may have had a part of it: some of it came from a source that changes hands."""
        return any(source.returns for source, _ in self.positions)
