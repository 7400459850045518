"""What the pages are made of: the store and all else that the composition root gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from checks.interaction import Interaction
from exporters.dataset.gate import AdmitCases
from exporters.review.decisions import Desk, DraftCase, ShowTrace, as_stored
from exporters.store import Store, StoredTrace

Problems = Callable[[], Sequence[str]]
"""What is wrong with the sidecar now, a sentence each: the same that ``/healthz`` says."""

ReadTrace = Callable[[StoredTrace], Interaction | None]
"""What the app did in a stored trace, as the conventions read its telemetry; ``None`` where that cannot be read.

Takes long where it is large.
"""


class TraceLinks:
    """Links to traces in the tracing backend. ``template`` has ``{trace_id}`` in it, and may change; ``None``: none."""

    def __init__(self, template: str | None = None) -> None:
        self.template = template

    def __call__(self, trace_id: str) -> str | None:
        """The link to a trace."""
        return self.template.replace("{trace_id}", trace_id) if self.template else None


@dataclass(frozen=True, slots=True)
class DayBudget:
    """What a service may cost in a UTC day and what this one cost so far, in dollars."""

    service: str
    spent: float
    per_day: float

    @property
    def share(self) -> float:
        """Of the budget, what is used up: 1 is all of it."""
        return self.spent / self.per_day


DayBudgets = Callable[[], Sequence[DayBudget]]
"""The budgets as they were when they were last looked at."""


@dataclass(frozen=True, slots=True)
class Site:
    """What pages are given.

    ``now`` gives nanoseconds since the epoch. A ``None``: the page does without.
    """

    store: Store
    now: Callable[[], int]
    trace_links: TraceLinks = field(default_factory=TraceLinks)
    draft_case: DraftCase | None = None
    problems: Problems | None = None
    read_trace: ReadTrace | None = None
    show_trace: ShowTrace = as_stored
    admit_cases: AdmitCases | None = None
    budgets: DayBudgets = tuple

    def desk(self) -> Desk:
        """Where decisions on cases are made."""
        return Desk(self.store, self.now, self.draft_case, self.admit_cases, self.show_trace)
