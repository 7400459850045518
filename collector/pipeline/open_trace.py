"""What there is to say of a trace that is still open."""

from dataclasses import dataclass

from checks.trace import CloseReason


@dataclass(frozen=True, slots=True)
class OpenTrace:
    """How an open trace stands: if nothing more comes, it closes for ``closes_by`` at ``due_ns``.

    Times are the buffer's, a monotonic clock's. ``late`` says that it had been judged before.
    """

    span_count: int
    has_root: bool
    late: bool
    opened_ns: int
    due_ns: int
    closes_by: CloseReason
