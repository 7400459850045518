"""``sidecheck check``: the pipeline on files, in this process, without a store.

Owns when a trace in a file is complete: at the end of all files, or when a limit is met on the way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from checks.report import Report
from checks.trace import CloseReason
from collector.intake import Batch
from collector.pipeline.buffer import Added, AssemblyLimits, TraceBuffer
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.job import Job
from collector.pipeline.judge import Judge

START = 0
"""Files have no clock: every span is taken to come in at the same moment, so that only limits close a trace early."""


@dataclass(slots=True)
class Tally:
    """What was seen on the way: spans and logs taken, records refused, traces evicted before their files ended."""

    spans: int = 0
    logs: int = 0
    refused: int = 0
    evicted: int = 0
    traces_without_spans: int = field(default=0)


def judge_batches(
    batches: Iterable[Batch], judge: Judge, limits: AssemblyLimits, memory_bytes: int, tally: Tally
) -> Iterator[Report]:
    """Judge every trace in ``batches``: as soon as it is over a limit, else once all were read, in order of arrival."""
    buffer = TraceBuffer(limits)
    for batch in batches:
        tally.spans += batch.span_count
        tally.logs += sum(piece.log_count for piece in batch.pieces)
        tally.refused += batch.rejected_count + len(batch.said)  # what is not in the files is not there to be judged
        for piece in batch.pieces:
            if buffer.add(piece, START) is Added.OVER_LIMIT:
                tally.refused += piece.count
        evicted = buffer.evict(buffer.held - memory_bytes) if buffer.held > memory_bytes else []
        tally.evicted += len(evicted)
        yield from _reports([*buffer.take_due(START, len(buffer)), *evicted], judge, tally)
    yield from _reports((_ended(trace) for trace in buffer.drain()), judge, tally)


def _ended(trace: ClosedTrace) -> ClosedTrace:
    return replace(trace, closed_by=CloseReason.ROOT_SEEN if trace.has_root else CloseReason.IDLE)


def _reports(closed: Iterable[ClosedTrace], judge: Judge, tally: Tally) -> Iterator[Report]:
    for trace in closed:
        tally.refused += trace.left_out
        if not trace.span_count:
            tally.traces_without_spans += 1
            continue
        yield judge.report(Job(trace.trace_id, trace.spans, trace.logs, trace.closed_by, truncated=trace.truncated))
