"""The traces that are still open: one owner, no lock, no clock of its own, no I/O.

A trace is a heap entry with the time at which it is due. It closes for a named reason: its root was seen and the
``settle`` time is over, nothing came for ``idle``, it is ``max_age`` old, or it met a limit. Knows bytes and span ids;
what a span says is nobody's business here.
"""

import heapq
from collections import OrderedDict
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from checks.trace import CloseReason
from collector.intake import Piece
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.cutting import first_spans
from collector.pipeline.growing import Growing
from collector.pipeline.open_trace import OpenTrace
from collector.progress import Position, Progress

HEAP_SLACK = 1_000
"""How many entries of traces that are gone the heap may hold, beside four for each open one."""
REMEMBERED_CAPPED = 10_000
"""How many traces that met a limit are remembered, so that what still comes for them is dropped and counted."""


@dataclass(frozen=True, slots=True)
class AssemblyLimits:
    """When a trace closes. Times in nanoseconds."""

    settle_ns: int = 2_000_000_000
    idle_ns: int = 30_000_000_000
    max_age_ns: int = 600_000_000_000
    max_spans: int = 10_000
    max_bytes: int = 16 * 1024 * 1024


class Added(Enum):
    """What became of a piece: kept, the same bytes as before, or left out because its trace had met a limit."""

    KEPT = auto()
    DUPLICATE = auto()
    OVER_LIMIT = auto()


class TraceBuffer:
    """Groups pieces by trace until a reason closes them. Every time is a monotonic clock's, passed in by the owner.

    Attributes:
        bytes: Telemetry that is held.
        held: The memory that it takes, books and all.
    """

    def __init__(self, limits: AssemblyLimits) -> None:
        self.limits = limits
        self.bytes = 0
        self.held = 0
        # Traces leave it by its front when memory is short: a dict would look at all that left before, each time.
        self._open: OrderedDict[str, Growing] = OrderedDict()
        self._heap: list[tuple[int, str]] = []
        self._new: dict[str, None] = {}
        self._capped: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, trace_id: object) -> bool:
        return trace_id in self._open

    def add(self, piece: Piece, now_ns: int, position: Position | None = None) -> Added:
        """Take a piece that stands at ``position``, and say what became of it."""
        if piece.trace_id in self._capped:
            return Added.OVER_LIMIT
        entry = self._entry(piece.trace_id, now_ns)
        if entry.met_limit is not None:
            return Added.OVER_LIMIT
        entry.touched_ns = now_ns
        if entry.came_before(piece):  # a client that lost our answer sends the same bytes again
            return Added.DUPLICATE
        entry.stands_at(position)
        if not entry.span_count and (piece.span_ids or entry.logs is None):
            self._new[piece.trace_id] = None
        size = entry.size
        self.held += entry.keep(self._fitting(entry, piece))
        self.bytes += entry.size - size
        if entry.has_root:
            self._settle(entry, now_ns)
        self._check_limits(entry)
        self._schedule(entry)
        return Added.KEPT

    def touch(self, trace_id: str, now_ns: int) -> None:
        """Let a trace be judged (again) after ``settle``, though no span came: feedback did."""
        entry = self._entry(trace_id, now_ns)
        entry.touched = True
        if not entry.span_count:
            self._settle(entry, now_ns)
            self._new[trace_id] = None
        self._schedule(entry)

    def mark_late(self, trace_id: str, now_ns: int) -> None:
        """Say that this open trace had been judged before: what came is late, its root need not come again."""
        entry = self._open.get(trace_id)
        if entry is not None and not entry.late:
            entry.late = True
            self._settle(entry, now_ns)
            self._schedule(entry)

    def count(self, trace_id: str) -> bool:
        """Say that a trace counts from now on. ``False``, and not counted, while its source may get it back."""
        entry = self._open.get(trace_id)
        if entry is None or entry.returns:
            return False
        entry.counted = True
        return True

    def only_from(self, sources: Collection[Progress]) -> list[str]:
        """The traces of which every piece came from these sources."""
        wanted = set(map(id, sources))
        return [
            trace_id
            for trace_id, entry in self._open.items()
            if entry.returns and entry.stand and all(id(p.source) in wanted for p in entry.stand)
        ]

    def take_new(self) -> list[tuple[str, bool]]:
        """What was begun since the last call: (id, whether it has spans).

        A trace is told when its first log record or feedback came, and (again) when its first span did.
        """
        found = [(trace_id, self._open[trace_id].span_count > 0) for trace_id in self._new if trace_id in self._open]
        self._new.clear()
        return found

    def put_back(self, new: Iterable[tuple[str, bool]]) -> None:
        """Let ``take_new`` tell of these again."""
        self._new.update((trace_id, None) for trace_id, _ in new)

    @property
    def untold(self) -> Container[str]:
        """The traces that ``take_new`` has not told of yet."""
        return self._new

    def take_due(self, now_ns: int, most: int, busy: Container[str] = ()) -> list[ClosedTrace]:
        """Close and return at most ``most`` traces that are due; one in ``busy`` stays until it is no longer."""
        taken: list[ClosedTrace] = []
        waiting: list[tuple[int, str]] = []
        while self._heap and self._heap[0][0] <= now_ns and len(taken) < most:
            scheduled, trace_id = heapq.heappop(self._heap)
            entry = self._open.get(trace_id)
            if entry is None:
                continue
            due, reason = self._due(entry)
            if due > now_ns:
                entry.scheduled_ns = due
                heapq.heappush(self._heap, (due, trace_id))
            elif trace_id in busy:
                waiting.append((scheduled, trace_id))
            else:
                taken.append(self._close(entry, reason))
        for item in waiting:
            heapq.heappush(self._heap, item)
        return taken

    def evict(self, excess: int, busy: Container[str] = ()) -> list[ClosedTrace]:
        """Close the oldest traces, those in ``busy`` left out, until ``excess`` bytes of what is held are free."""
        oldest: list[Growing] = []
        freed = 0
        for entry in self._open.values():  # in the order in which traces were opened
            if freed >= excess:
                break
            if entry.trace_id not in busy:
                freed += entry.held
                oldest.append(entry)
        return [self._close(entry, CloseReason.EVICTED) for entry in oldest]

    def drain(self, busy: Container[str] = ()) -> list[ClosedTrace]:
        """Close everything that is not in ``busy``, because no more will come."""
        entries = [entry for entry in self._open.values() if entry.trace_id not in busy]
        return [self._close(entry, CloseReason.SHUTDOWN) for entry in entries]

    def discard(self, trace_id: str) -> ClosedTrace | None:
        """Let go of a trace that is not to be judged; ``None`` if it is not open."""
        entry = self._open.get(trace_id)
        return None if entry is None else self._close(entry, CloseReason.EVICTED)

    def look(self, trace_id: str) -> OpenTrace | None:
        """How an open trace stands; ``None`` if it is not open."""
        entry = self._open.get(trace_id)
        if entry is None:
            return None
        due_ns, reason = self._due(entry)
        return OpenTrace(entry.span_count, entry.has_root, entry.late, entry.opened_ns, due_ns, reason)

    def contents(self) -> list[tuple[str, list[bytes], list[bytes]]]:
        """Every open trace at this moment: its id, spans and log records as they came."""
        return [entry.contents for entry in self._open.values()]

    def _entry(self, trace_id: str, now_ns: int) -> Growing:
        entry = self._open.get(trace_id)
        if entry is None:
            entry = self._open[trace_id] = Growing(trace_id, opened_ns=now_ns, touched_ns=now_ns)
            self.held += entry.held
        return entry

    def _fitting(self, entry: Growing, piece: Piece) -> Piece:
        """The piece without the spans that would be too many for its trace."""
        room = self.limits.max_spans - entry.span_count
        if len(piece.span_ids) <= room:
            return piece
        entry.know(piece)
        fitting = first_spans(piece, room)
        entry.left_out += len(piece.span_ids) - len(fitting.span_ids)
        return fitting

    def _check_limits(self, entry: Growing) -> None:
        if entry.span_count >= self.limits.max_spans:
            entry.met_limit = CloseReason.SPAN_LIMIT
        elif entry.size >= self.limits.max_bytes:
            entry.met_limit = CloseReason.BYTE_LIMIT

    def _settle(self, entry: Growing, now_ns: int) -> None:
        """Shorten the wait, which is to be scheduled then; a later call does not lengthen it again."""
        if entry.settles_ns is None:
            entry.settles_ns = now_ns + self.limits.settle_ns

    def _due(self, entry: Growing) -> tuple[int, CloseReason]:
        """When it closes if nothing more comes, and for what reason."""
        if entry.met_limit is not None:
            return entry.opened_ns, entry.met_limit
        due_ns, reason = entry.touched_ns + self.limits.idle_ns, CloseReason.IDLE
        oldest_ns = entry.opened_ns + self.limits.max_age_ns
        if oldest_ns < due_ns:
            due_ns, reason = oldest_ns, CloseReason.MAX_AGE
        if entry.settles_ns is not None and entry.settles_ns <= due_ns:
            due_ns, reason = entry.settles_ns, CloseReason.ROOT_SEEN
        return due_ns, reason

    def _schedule(self, entry: Growing) -> None:
        # A trace that is touched again is due later than its heap entry says; take_due looks again. So only an
        # earlier time needs a new entry, and the heap holds at most three a trace.
        due, _ = self._due(entry)
        if due < entry.scheduled_ns:
            entry.scheduled_ns = due
            heapq.heappush(self._heap, (due, entry.trace_id))

    def _close(self, entry: Growing, reason: CloseReason) -> ClosedTrace:
        del self._open[entry.trace_id]
        self._new.pop(entry.trace_id, None)
        self.bytes -= entry.size
        self.held -= entry.held
        self._tidy()
        if entry.met_limit is not None:
            self._capped[entry.trace_id] = None
            if len(self._capped) > REMEMBERED_CAPPED:
                self._capped.popitem(last=False)
        return entry.close(reason)

    def _tidy(self) -> None:
        """Traces that were not closed by time leave entries in the heap: they go before they are many."""
        if len(self._heap) > HEAP_SLACK + 4 * len(self._open):
            self._heap = [item for item in self._heap if item[1] in self._open]
            heapq.heapify(self._heap)
