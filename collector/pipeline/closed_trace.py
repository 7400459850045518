"""A trace on its way from the buffer to the workers."""

from dataclasses import dataclass

from checks.trace import CloseReason


@dataclass(frozen=True, slots=True)
class ClosedTrace:
    """A trace as it left the buffer: encoded OTLP as in ``Piece``.

    ``late`` says that it had been judged before; ``touched`` that feedback for it is in the store.
    ``has_root`` says whether a span without a parent is among ``spans``. ``positions`` are the journal's rows that
    hold its pieces. ``left_out`` counts the spans of a piece that were one too many and were cut off.
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
    positions: tuple[int, ...] = ()
    left_out: int = 0

    @property
    def size(self) -> int:
        """Bytes of telemetry held."""
        return len(self.spans) + len(self.logs)
