"""Runs planned checks on one interaction and gives one verdict for each, whatever the checks do.

Owns the order of decisions (selected, sampled, applicable, inspected) and the line between a bad answer (``FAILED``)
and a broken check (``ERRORED``, ``TIMED_OUT``). Knows neither what checks look for nor how they are configured.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

from checks.check import Check
from checks.constructor import constructor_of
from checks.deadline import Deadline, DeadlineExceeded, no_deadline
from checks.duration import format_duration
from checks.finding import Finding, Severity
from checks.interaction import Interaction
from checks.plan import PlannedCheck
from checks.report import NOTHING_TO_JUDGE, SAMPLE, WHEN, Outcome, Report, Verdict
from checks.vetting import InvalidFindingError, vet

_LONGEST_TYPE_NAME = 80

_verdict, _report = constructor_of(Verdict), constructor_of(Report)


def run(
    interaction: Interaction,
    plan: Sequence[PlannedCheck],
    clock: Callable[[], int] = time.perf_counter_ns,
    deadline: Deadline = no_deadline,
) -> Report:
    """Judge an interaction.

    Args:
        interaction: What the app did.
        plan: The checks; each gets its verdict, in this order.
        clock: Nanoseconds of a clock that never goes back.
        deadline: Interrupts a check that takes longer than its ``deadline_ns``. The default never does.

    Returns:
        One verdict for each planned check. Nothing a check does raises here, but ``KeyboardInterrupt`` passes.
    """
    return run_all([interaction], plan, clock, deadline)[0]


def run_all(
    interactions: Sequence[Interaction],
    plan: Sequence[PlannedCheck],
    clock: Callable[[], int] = time.perf_counter_ns,
    deadline: Deadline = no_deadline,
) -> list[Report]:
    """As ``run``, for several: each check judges all of them before the next one begins, as its code is warm then."""
    verdicts: list[list[Verdict]] = [[] for _ in interactions]
    limit_ns, limit = None, no_deadline(0)
    started = clock()
    for planned in plan:
        if planned.deadline_ns != limit_ns:  # most checks have the same
            limit_ns = planned.deadline_ns
            limit = deadline(limit_ns)
        name, version = planned.name, planned.check.info.version
        for interaction, own in zip(interactions, verdicts, strict=True):
            outcome, score, findings, cut, error, reason = _attempt(planned, interaction, limit)
            ended = clock()
            own.append(_verdict(name, version, outcome, score, findings, ended - started, error, cut, reason))
            started = ended
    return [_report(interaction, tuple(own)) for interaction, own in zip(interactions, verdicts, strict=True)]


def load(plan: Sequence[PlannedCheck]) -> None:
    """Let the checks get ready: call ``load()`` of those that have one.

    For the start of a worker, so that no trace waits, and no deadline passes, while a library is imported. A check
    that fails here fails in the same way on its first trace, where a verdict tells of it.
    """
    for planned in plan:
        prepare = getattr(planned.check, "load", None)
        if callable(prepare):
            with suppress(Exception, SystemExit):
                prepare()


class _End(NamedTuple):
    """How a check ended, before it is signed and timed."""

    outcome: Outcome
    score: float | None = None
    findings: tuple[Finding, ...] = ()
    findings_cut: bool = False
    error: str | None = None
    reason: str | None = None


_PASSED = _End(Outcome.PASSED, 1.0)
_NOTHING_TO_JUDGE = _End(Outcome.NOT_APPLICABLE, reason=NOTHING_TO_JUDGE)


def _attempt(planned: PlannedCheck, interaction: Interaction, limit: AbstractContextManager[object]) -> _End:
    try:
        with limit:
            return _decide(planned, interaction)
    except KeyboardInterrupt:
        raise
    except DeadlineExceeded as late:
        after = format_duration(planned.deadline_ns)
        return _End(Outcome.TIMED_OUT, error=f"not done after {after}, at {_place(late, planned.check)}")
    except InvalidFindingError as invalid:
        return _End(Outcome.ERRORED, error=f"InvalidFindingError: {invalid}")
    except BaseException as error:  # noqa: BLE001 -- a check that calls sys.exit() must not end the process
        return _End(Outcome.ERRORED, error=f"{_type(error)} at {_place(error, planned.check)}")


def _decide(planned: PlannedCheck, interaction: Interaction) -> _End:
    """Cheapest first: a trace that is not selected or not sampled costs none of the check's own code."""
    selection = planned.selection
    if selection.leaves_out:
        unmet = selection.unmet(interaction)
        if unmet is not None:
            return _End(Outcome.NOT_APPLICABLE, reason=f"{WHEN}{unmet}")
        if not selection.samples(interaction.trace_id):
            return _End(Outcome.NOT_SAMPLED, reason=f"{SAMPLE}{selection.sample:g}")
    check = planned.check
    if not check.applies_to(interaction):
        return _NOTHING_TO_JUDGE
    findings, cut = vet(check.inspect(interaction), check.info, interaction)
    if not findings:
        return _PASSED
    if any(finding.severity is Severity.ERROR for finding in findings):
        return _End(Outcome.FAILED, 0.0, findings, cut)
    return _End(Outcome.PASSED, 1.0, findings, cut)


def _type(error: BaseException) -> str:
    return type(error).__name__[:_LONGEST_TYPE_NAME]


def _place(error: BaseException, check: Check) -> str:
    """``module:line`` of the innermost frame in the check's own package; the class where none is.

    Frames of libraries further in say little about which rule broke. The exception's text is left out: it quotes input.
    """
    module = type(check).__module__
    package = module.rpartition(".")[0] or module
    place = f"{module}.{type(check).__qualname__}"
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__"))
        if name == package or name.startswith(f"{package}."):
            place = f"{name}:{line}"
    return place
