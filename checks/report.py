"""Verdicts: how each check judged a trace. A check that broke is kept apart from an answer that is bad."""

from dataclasses import dataclass
from enum import StrEnum

from checks.finding import Finding
from checks.interaction import Interaction

NOTHING_TO_JUDGE = "nothing_to_judge"
WHEN = "when."
SAMPLE = "sample:"
"""How a verdict's ``reason`` begins: all that it can be."""


class Outcome(StrEnum):
    """How one check ended on one trace. A label on ``/metrics``."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    NOT_SAMPLED = "not_sampled"
    ERRORED = "errored"
    TIMED_OUT = "timed_out"

    @property
    def is_decided(self) -> bool:
        """Whether the check really judged the trace: the denominator of a pass rate."""
        return self in _DECIDED


_DECIDED = frozenset({Outcome.PASSED, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's judgement.

    ``error`` names the exception's type and place (never its text) for ``ERRORED``, the limit and the place for
    ``TIMED_OUT``. ``findings_cut`` is true where the check found more than is kept. ``reason`` says why there was
    nothing to decide: ``when.KEY`` (that condition does not hold), ``sample:SHARE`` (not in the sample),
    ``nothing_to_judge`` (the check says so itself).
    """

    check: str
    version: str
    outcome: Outcome
    score: float | None = None
    findings: tuple[Finding, ...] = ()
    duration_ns: int = 0
    error: str | None = None
    findings_cut: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Report:
    """All verdicts on one interaction, one for each configured check."""

    interaction: Interaction
    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The verdicts that failed."""
        return tuple(v for v in self.verdicts if v.outcome is Outcome.FAILED)
