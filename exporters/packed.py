"""What the store keeps of a record, ready to be written: plain values, made in a worker process.

So the process that writes has little to do for each trace, and what crosses from one process to the other is small.
Owns how a record becomes columns; where these go is the business of ``exporters.store``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import starmap
from operator import attrgetter
from typing import Any, Self

from checks.constructor import constructor_of
from checks.report import Outcome
from checks.trace import Feedback
from exporters import codec, costs
from exporters.dataset.case import Case
from exporters.dataset.likeness import Likeness
from exporters.record import Record
from exporters.results import Result, results_of

MOST_TOKENS = 10**12
"""More than any trace uses: a count above it is none, and sums of these are far from what a column holds."""
PARTS = 3
"""What ``Packed.data`` holds: spans, logs, what model calls cost (``exporters.costs``)."""
PREVIEW = 200
"""Characters of input and output that a list shows."""
BESIDE = frozenset({"api", "kafka"})
"""Sources of feedback that is not part of the telemetry."""
ROW_BYTES = 800
KEY_BYTES = 80
"""What rows and their index entries take beside the payload, roughly."""

COLUMNS = (
    "trace_id",
    "time_ns",
    "service",
    "convention",
    "closed_by",
    "start_ns",
    "end_ns",
    "duration_ns",
    "span_count",
    "truncated",
    "session_id",
    "user_id",
    "model",
    "input",
    "output",
    "failing",
    "fingerprint",
    "evaluated_ns",
    "stored_bytes",
    "input_tokens",
    "output_tokens",
    "cost",
    "unpriced_calls",
)
"""What ``Packed.columns`` holds, in this order."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One evaluated trace as the store takes it.

    ``data`` is spans, logs and costs in one compressed frame (``codec.join_compressed``), ``verdicts`` and ``feedback``
    are JSON. ``outcomes`` are pairs of check and outcome, by check; ``codes`` of check and finding code; ``keys`` of
    kind and value (``span``, ``response``, ``user``): ids by which it can be named besides its own and its session's.
    ``said`` is the feedback that the verdicts know. ``is_first`` says that the trace was never judged before, else
    ``replaces_ns`` is the ``evaluated_ns`` of the evaluation that this one was made from.
    """

    trace_id: str
    time_ns: int
    start_ns: int
    is_failing: bool
    is_first: bool
    columns: tuple[Any, ...]
    data: bytes
    verdicts: str
    feedback: str
    outcomes: tuple[tuple[str, str], ...]
    codes: tuple[tuple[str, str], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    session_id: str | None = None
    said: tuple[Feedback, ...] = ()
    case: Case | None = None
    fingerprint: str | None = None
    replaces_ns: int | None = None
    likeness: Likeness | None = None
    results: tuple[Result, ...] = ()

    def column(self, name: str) -> Any:
        """One of ``columns``."""
        return self.columns[COLUMNS.index(name)]

    def in_cluster(self, fingerprint: str) -> Self:
        """The same trace, counted in this cluster."""
        place = COLUMNS.index("fingerprint")
        columns = (*self.columns[:place], fingerprint, *self.columns[place + 1 :])
        case = None if self.case is None else replace(self.case, fingerprint=fingerprint)
        return replace(self, columns=columns, case=case, fingerprint=fingerprint)

    @property
    def owners(self) -> tuple[tuple[str, str], ...]:
        """Whose trace it is: pairs of kind (``user``, ``session``) and value."""
        users = tuple(pair for pair in self.keys if pair[0] == "user")
        return users if self.session_id is None else (*users, ("session", self.session_id))


_new_packed = constructor_of(Packed)
_values_of = attrgetter(*[field.name for field in fields(Packed)])


def to_rows(traces: Iterable[Packed]) -> tuple[tuple[Any, ...], ...]:
    """Packed traces for the way to another process: no Python runs where pickle writes and reads tuples."""
    return tuple(map(_values_of, traces))


def from_rows(rows: Iterable[tuple[Any, ...]]) -> tuple[Packed, ...]:
    """The packed traces that ``to_rows`` was given."""
    return tuple(starmap(_new_packed, rows))


def pack(record: Record, *, with_results: bool = False) -> Packed:
    """The record as the store takes it; with what a tracing backend is told of it, where that is wanted."""
    return _packed(record, _data(record), with_results)


def pack_all(records: Sequence[Record], *, with_results: bool = False) -> tuple[Packed, ...]:
    """As ``pack``, for a batch. All are compressed first: the library's code and tables stay in the caches then."""
    compressed = list(map(_data, records))
    return tuple([_packed(record, data, with_results) for record, data in zip(records, compressed, strict=True)])


def _data(record: Record) -> bytes:
    beside = costs.to_part(record.calls) if record.is_read else costs.NO_VIEW
    return codec.join_compressed(record.spans, record.logs, beside)


def _packed(record: Record, data: bytes, with_results: bool) -> Packed:
    outcomes = _outcomes(tuple([(verdict.check, verdict.outcome) for verdict in record.verdicts]))
    codes = {(codec.key(v.check), codec.key(f.code)) for v in record.verdicts for f in v.findings}
    keys = _keys(record)
    fingerprint = None if record.case is None else codec.key(record.case.fingerprint)
    size = ROW_BYTES + len(data) + KEY_BYTES * len(keys)
    time_ns = codec.clamped(record.start_ns or record.evaluated_ns)
    is_failing = record.is_failing
    return _new_packed(
        trace_id=record.trace_id,
        time_ns=time_ns,
        start_ns=record.start_ns,
        is_failing=is_failing,
        is_first=record.previous is None,
        columns=_columns(record, time_ns, is_failing, fingerprint, size),
        data=data,
        verdicts=codec.verdicts_to_json(record.verdicts),
        feedback=codec.feedback_to_json(record.feedback),
        outcomes=outcomes,
        codes=tuple(sorted(codes)),
        keys=keys,
        session_id=_key(record.session_id) or None,
        said=record.feedback,
        case=record.case,
        fingerprint=fingerprint,
        replaces_ns=record.replaces_ns,
        likeness=record.likeness,
        results=results_of(record) if with_results else (),
    )


@lru_cache(maxsize=1024)
def _outcomes(ended: tuple[tuple[str, Outcome], ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of check and outcome as the store takes them: those of most traces are the same few."""
    return tuple(sorted({codec.key(check): outcome.value for check, outcome in ended}.items()))


_same = lru_cache(maxsize=1024)(codec.key)


def _label(text: str) -> str:
    """The key of a text that comes again and again. It is one object then, and is sent once for many traces."""
    return _same(text) if len(text) <= codec.KEY_LENGTH else codec.key(text)


def _columns(record: Record, time_ns: int, is_failing: bool, fingerprint: str | None, size: int) -> tuple[Any, ...]:
    return (
        record.trace_id,
        time_ns,
        _label(record.service),
        _label(record.convention),
        record.closed_by.value,
        codec.clamped(record.start_ns),
        codec.clamped(record.end_ns),
        codec.clamped(record.duration_ns),
        record.span_count,
        record.truncated,
        _key(record.session_id),
        _key(record.user_id),
        None if record.model is None else _label(str(record.model)),
        _preview(record.input),
        _preview(record.output),
        is_failing,
        fingerprint,
        codec.clamped(record.evaluated_ns),
        size,
        _tokens(record.input_tokens),
        _tokens(record.output_tokens),
        *_cost(record),
    )


def _cost(record: Record) -> tuple[float | None, int]:
    """Dollars of the calls that have a price, ``None`` where none has, and how many have none."""
    dollars, unpriced = None, 0
    for call in record.calls:
        if call.cost is not None:
            dollars = call.cost + (dollars or 0.0)
        elif call.is_unpriced:
            unpriced += 1
    return dollars, unpriced


def _tokens(value: int | None) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _keys(record: Record) -> tuple[tuple[str, str], ...]:
    # What a user said within the telemetry can only be forgotten together with the trace: so it is that user's too.
    users = [record.user_id, *[said.user_id for said in record.feedback if said.source not in BESIDE]]
    named = {(kind, codec.key(value)) for kind, value in record.keys if kind != "session"}
    named.update([("user", codec.key(user)) for user in users if user])
    return tuple(sorted(named))


def _key(value: object) -> str | None:
    return None if value is None else codec.key(str(value))


def _preview(value: object) -> str | None:
    return codec.clean(value[:PREVIEW]) if isinstance(value, str) else None
