"""A trace to judge and what comes of it: plain data, which goes from process to process.

Owns nothing of the judging, and loads nothing of it: the process that takes telemetry in hands these on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pickle import PickleBuffer
from typing import Any, Self, SupportsIndex

from checks.constructor import constructor_of
from checks.report import Outcome, Verdict
from checks.trace import CloseReason, Feedback
from collector.pipeline.merging import Earlier, merged
from collector.pipeline.pricing import OwnPrices
from exporters.metrics.tally import Tally, tally
from exporters.packed import Packed, from_rows, pack_all, to_rows
from exporters.record import Record

DRAFT_WITHIN_NS = 5_000_000_000
"""Redacting megabytes of digits can take long; a case that takes longer is withheld and counted."""
PICKLES_BUFFERS = 5
"""The first protocol of ``pickle`` that knows buffers beside the rest."""
Over = tuple[int, int]
"""Spans and log records that came late and found no room."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trace to judge: encoded OTLP as in ``Piece``, and what came beside it.

    ``earlier`` is what the store holds of it; ``whole`` puts both together.
    """

    trace_id: str
    spans: bytes
    logs: bytes
    closed_by: CloseReason
    feedback: tuple[Feedback, ...] = ()
    truncated: bool = False
    previous: tuple[Verdict, ...] | None = None
    previous_feedback: tuple[Feedback, ...] | None = None
    replaces_ns: int | None = None
    earlier: Earlier | None = None
    full: frozenset[str] = frozenset()
    """Families of traces for which there was no room of late: the first case of one of these is not drafted."""
    is_counted: bool = False
    """Whether what came now was counted on ``/metrics`` already: another replica was faster to save the trace."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """All fields at once: the usual way takes them, and puts them back, one by one in Python.

        Telemetry goes beside the rest where it can: see ``pipe``.
        """
        values = _values_of(self)
        if int(protocol) < PICKLES_BUFFERS:
            return _unpickled, values
        trace_id, spans, logs, *others = values
        return _unpickled, (trace_id, PickleBuffer(spans), PickleBuffer(logs) if logs else logs, *others)

    @property
    def may_wait(self) -> bool:
        """Whether its case is not drafted where there is no room: where there is one, it is judged again for it.

        What was judged before may have a case, to be brought up to date. What did not end with its root would not be
        closed for the same reason then.
        """
        return bool(self.full) and self.previous is None and self.closed_by is CloseReason.ROOT_SEEN

    @property
    def size(self) -> int:
        """Bytes of telemetry, unpacked."""
        return len(self.spans) + len(self.logs) + (self.earlier.size if self.earlier is not None else 0)


_new_job = constructor_of(Job)
_values_of = attrgetter(*[field.name for field in fields(Job)])


def _unpickled(*values: Any) -> Job:
    return _new_job(*values)


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """How a judge is made; plain data, so that it can be sent to a worker process."""

    checks: Mapping[str, Mapping[str, Any]]
    drafts_cases: bool = True
    redacts: bool = True
    typical_rate: float = 0.0
    fakes: bool = False
    prices: OwnPrices | None = None
    """Prices beside those of the list; ``None``: nothing is priced."""
    tells_results: bool = False
    """Whether a tracing backend is told of verdicts."""


class NoView(Exception):
    """The view of a trace cannot be made. The text says why, and quotes nothing of the trace."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What comes of a batch: each trace as the store takes it, and by how much the metrics move."""

    traces: tuple[Packed, ...]
    tallies: tuple[Tally, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """All traces at once, as rows: object by object it takes half as long again on both sides."""
        return _received, (to_rows(self.traces), self.tallies)

    @classmethod
    def of(cls, records: Sequence[Record], *, with_results: bool = False) -> Self:
        """The sinks' parts of these records."""
        return cls(pack_all(records, with_results=with_results), (tally(records),))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Several as one, in their order."""
        return cls(tuple(t for part in parts for t in part.traces), tuple(t for part in parts for t in part.tallies))


def _received(rows: Sequence[tuple[Any, ...]], tallies: tuple[Tally, ...]) -> Judged:
    return Judged(from_rows(rows), tallies)


def whole(job: Job) -> tuple[Job, Over]:
    """The job with what the store held of its trace and what came now as one, and what of that found no room."""
    if job.earlier is None:
        return job, (0, 0)
    both = merged(job.earlier, job.spans, job.logs)
    over = both.spans_left_out, both.logs_left_out
    truncated = job.truncated or any(over)
    return replace(job, spans=both.spans, logs=both.logs, truncated=truncated, earlier=None), over


def noting(over: Over, record: Record) -> Record:
    """The record with how much found no room."""
    return replace(record, spans_left_out=over[0], logs_left_out=over[1]) if any(over) else record


def errored(check: str, version: str, error: str) -> Verdict:
    """The verdict of a check that broke."""
    return Verdict(check, version, Outcome.ERRORED, error=error)


def unjudged(job: Job, plan: Sequence[tuple[str, str]], error: str, now_ns: int) -> Record:
    """The record of a trace that no worker survived: every check ``ERRORED``; ``plan`` is (name, version) a check."""
    verdicts = tuple(errored(name, version, error) for name, version in plan)
    job, over = whole(job)
    record = Record(
        trace_id=job.trace_id,
        service="unknown_service",
        convention="none",
        closed_by=job.closed_by,
        start_ns=now_ns,
        end_ns=now_ns,
        duration_ns=0,
        span_count=0,
        truncated=job.truncated,
        verdicts=verdicts,
        is_read=False,
        previous=job.previous,
        spans=job.spans,
        logs=job.logs,
        evaluated_ns=now_ns,
        replaces_ns=job.replaces_ns,
    )
    return noting(over, record)
