"""The record of one evaluated trace: all that the sinks (metrics, store, dataset) need, and nothing that is alive.

Lives in a worker process, where each sink's part is made of it: ``packed`` for the store, ``metrics.tally`` for the
metrics. Plain data only.
"""

from dataclasses import dataclass, field

from checks.report import Outcome, Verdict
from checks.trace import CloseReason, Feedback
from exporters.dataset.case import Case
from exporters.dataset.likeness import Likeness


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The figures of one model call. Tokens are ``None`` where not recorded; ``input_tokens`` includes cached ones."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    ttft_ns: int | None = None
    cost: float | None = None
    """Dollars."""
    is_unpriced: bool = False
    """Whether it has no cost although it answered and prices were asked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluated trace.

    ``spans`` and ``logs`` are OTLP ``TracesData`` and ``LogsData`` bytes of this trace alone (empty where there are
    none). ``model``, ``input``, ``output`` and the tokens are those of the trace's view (``checks.view``). ``keys`` are
    other ids by which feedback may name the trace, as ``(kind, id)`` with kind ``span`` or ``response``. ``previous``
    are the verdicts of the evaluation that this one replaces, ``None`` for the first; ``previous_feedback`` is what
    those knew of.
    """

    trace_id: str
    service: str
    convention: str
    closed_by: CloseReason
    start_ns: int
    end_ns: int
    duration_ns: int
    span_count: int
    truncated: bool
    verdicts: tuple[Verdict, ...]
    model: str | None = None
    input: str | None = None
    output: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    is_read: bool = True
    """Whether its telemetry could be read; if not, nobody tries again."""
    calls: tuple[CallFacts, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    session_id: str | None = None
    user_id: str | None = None
    keys: tuple[tuple[str, str], ...] = ()
    spans: bytes = b""
    logs: bytes = b""
    case: Case | None = None
    likeness: Likeness | None = None
    """What the trace is compared with others by; without a ``case``: there was no room for one."""
    case_withheld: bool = False
    """Whether there is no case because personal data could not be taken out of it."""
    previous: tuple[Verdict, ...] | None = None
    evaluated_ns: int = 0
    scopes: tuple[str, ...] = field(default=())
    """Names of instrumentation scopes that no convention could read; only for traces without a convention."""
    previous_feedback: tuple[Feedback, ...] | None = None
    """The feedback that the replaced evaluation knew, so that each piece is counted once; ``None``: not known."""
    replaces_ns: int | None = None
    """``evaluated_ns`` of the evaluation that this one was made from and replaces, ``None`` for the first."""

    root_id: str | None = None
    """The root span's id."""
    responses: tuple[tuple[str, str], ...] = ()
    """Pairs of a model call's span and of its response's id, in order; a few at most, and none where nobody is told."""
    spans_left_out: int = 0
    """Late spans that were left out because the trace met a limit."""
    logs_left_out: int = 0
    late_calls: tuple[CallFacts, ...] = ()
    """Those of ``calls`` that came after the trace was judged, and were not counted with it."""

    @property
    def is_failing(self) -> bool:
        """Whether any check failed."""
        return Outcome.FAILED in [verdict.outcome for verdict in self.verdicts]
