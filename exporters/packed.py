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
from checks.report import Outcome, Verdict
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
    def is_outline(self) -> bool:
        """Whether it makes a case that was not drafted: as far as was known there was no room for it."""
        return self.case is None and self.fingerprint is not None

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
    verdicts = record.verdicts
    ending = _ending(tuple(map(_shape_of, verdicts)))
    finding = [verdict for verdict in verdicts if verdict.findings]
    keys = _keys(record)
    fingerprint = _fingerprint(record)
    size = ROW_BYTES + len(data) + KEY_BYTES * len(keys)
    time_ns = codec.clamped(record.start_ns or record.evaluated_ns)
    return _new_packed(  # in the order of its fields: see ``constructor_of``
        record.trace_id,
        time_ns,
        record.start_ns,
        ending.is_failing,
        record.previous is None,  # is_first
        _columns(record, time_ns, ending.is_failing, fingerprint, size),
        data,
        codec.verdicts_to_json(verdicts) if finding else ending.verdicts % tuple(map(_duration_of, verdicts)),
        codec.feedback_to_json(record.feedback),
        ending.outcomes,
        _codes(finding) if finding else (),
        keys,
        _key(record.session_id) or None,
        record.feedback,  # said
        record.case,
        fingerprint,
        record.replaces_ns,
        record.likeness,
        results_of(record) if with_results else (),
    )


def _fingerprint(record: Record) -> str | None:
    own = record.likeness if record.case is None else record.case
    return None if own is None else codec.key(own.fingerprint) or None


@dataclass(frozen=True, slots=True)
class _Ending:
    """What is made of verdicts without a look at their findings and durations: for most traces it is one of few.

    ``outcomes`` are those of ``Packed``; ``verdicts`` is the JSON where nothing was found, but for the durations.
    """

    outcomes: tuple[tuple[str, str], ...]
    is_failing: bool
    verdicts: str


# With the score's class: 1 and 1.0 are equal, and are not written alike.
_shape_of = attrgetter("check", "version", "outcome", "score", "score.__class__", "error", "findings_cut", "reason")
_duration_of = attrgetter("duration_ns")


@lru_cache(maxsize=1024)
def _ending(shapes: tuple[tuple[Any, ...], ...]) -> _Ending:
    verdicts = [
        Verdict(check, version, outcome, score, error=error, findings_cut=cut, reason=reason)
        for check, version, outcome, score, _, error, cut, reason in shapes
    ]
    return _Ending(
        outcomes=tuple(sorted({codec.key(verdict.check): verdict.outcome.value for verdict in verdicts}.items())),
        is_failing=Outcome.FAILED in [verdict.outcome for verdict in verdicts],
        verdicts=codec.verdicts_template(verdicts),
    )


def _codes(finding: Iterable[Verdict]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(codec.key(v.check), codec.key(f.code)) for v in finding for f in v.findings}))


_same = lru_cache(maxsize=1024)(codec.key)


def _label(text: str) -> str:
    """The key of a text that comes again and again. It is one object then, and is sent once for many traces."""
    return _same(text) if len(text) <= codec.KEY_LENGTH else codec.key(text)


def _columns(record: Record, time_ns: int, is_failing: bool, fingerprint: str | None, size: int) -> tuple[Any, ...]:
    dollars, unpriced = _cost(record)
    return (
        record.trace_id,
        time_ns,
        _label(record.service),
        _label(record.convention),
        record.closed_by.value,
        time_ns if record.start_ns else 0,
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
        dollars,
        unpriced,
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
    ids = "".join([value for _, value in record.keys])
    if codec.key(ids) is ids and not any(users):  # as mostly: ids that need no change together need none alone
        return record.keys
    named = [(kind, codec.key(value)) for kind, value in record.keys]
    return tuple(dict.fromkeys([*named, *[("user", codec.key(user)) for user in users if user]]))


def _key(value: object) -> str | None:
    return None if value is None else codec.key(str(value))


def _preview(value: object) -> str | None:
    return codec.clean(value[:PREVIEW]) if isinstance(value, str) else None
