"""The runner: one verdict for each check, whatever the check does."""

import contextlib
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from builders import an_interaction

from checks.check import CheckInfo
from checks.deadline import DeadlineExceeded
from checks.finding import Evidence, Finding, Severity
from checks.plan import PlannedCheck
from checks.report import Outcome
from checks.runner import load, run, run_all
from checks.selection import Selection
from checks.vetting import LONGEST_MESSAGE, MOST_EVIDENCE, MOST_FINDINGS

INFO = CheckInfo("fake", "7", "A check for tests.", codes={"bad": "Bad.", "worse": "Worse."})
SECRET = "jane@example.com"


@dataclass(frozen=True)
class FakeCheck:
    """A check that does what it is told."""

    does: Callable[[Any], Any] = lambda _: ()
    applies: Callable[[Any], Any] = lambda _: True
    info: CheckInfo = INFO

    def applies_to(self, interaction):
        return self.applies(interaction)

    def inspect(self, interaction):
        return self.does(interaction)


def verdict_of(does=lambda _: (), output="Fine.", *, deadline=None, **parts):
    selection = parts.pop("selection", Selection())
    planned = PlannedCheck("mine", FakeCheck(does, **parts), selection)
    extra = {"deadline": deadline} if deadline else {}
    (verdict,) = run(an_interaction(output), [planned], clock=lambda: 0, **extra).verdicts
    return verdict


def yields(*findings):
    return verdict_of(lambda _: iter(findings))


def raises(error):
    def does(_):
        raise error

    return does


def test_a_check_that_finds_nothing_passes_with_score_1():
    verdict = yields()
    assert (verdict.outcome, verdict.score, verdict.findings) == (Outcome.PASSED, 1.0, ())


def test_a_check_that_finds_an_error_fails_with_score_0():
    verdict = yields(Finding("bad", "it is bad"))
    assert (verdict.outcome, verdict.score) == (Outcome.FAILED, 0.0)
    assert verdict.findings == (Finding("bad", "it is bad"),)


def test_warnings_alone_pass_and_are_kept():
    verdict = yields(Finding("bad", "a little", severity=Severity.WARNING))
    assert verdict.outcome is Outcome.PASSED
    assert len(verdict.findings) == 1


def test_a_verdict_is_signed_with_the_name_in_the_plan_and_the_version_of_the_check():
    verdict = yields()
    assert (verdict.check, verdict.version) == ("mine", "7")


def test_every_check_has_its_verdict_in_the_order_of_the_plan():
    plan = [PlannedCheck(name, FakeCheck(does)) for name, does in (("a", raises(ValueError())), ("b", lambda _: ()))]
    report = run(an_interaction(), plan)
    assert [(v.check, v.outcome) for v in report.verdicts] == [("a", Outcome.ERRORED), ("b", Outcome.PASSED)]


def test_the_duration_is_measured_by_the_clock_given():
    (verdict,) = run(
        an_interaction(), [PlannedCheck("a", FakeCheck())], clock=itertools.count(100, 42).__next__
    ).verdicts
    assert verdict.duration_ns == 42


def test_a_check_judges_all_traces_before_the_next_one_and_each_verdict_has_its_own_time():
    asked = []
    traces = [an_interaction("one"), an_interaction("two")]
    plan = [
        PlannedCheck(name, FakeCheck(lambda i, name=name: asked.append((name, i.final_output)) or ()))
        for name in ("first", "second")
    ]
    reports = run_all(traces, plan, clock=iter([0, 1, 3, 7, 15]).__next__)
    assert asked == [("first", "one"), ("first", "two"), ("second", "one"), ("second", "two")]
    assert [report.interaction for report in reports] == traces
    assert [[(v.check, v.duration_ns) for v in report.verdicts] for report in reports] == [
        [("first", 1), ("second", 4)],
        [("first", 2), ("second", 8)],
    ]


def test_a_check_that_does_not_apply_is_not_asked_to_inspect():
    verdict = verdict_of(raises(ValueError()), applies=lambda _: False)
    assert (verdict.outcome, verdict.score, verdict.error) == (Outcome.NOT_APPLICABLE, None, None)


def test_a_trace_that_is_not_selected_costs_none_of_the_checks_code():
    verdict = verdict_of(applies=raises(ValueError()), selection=Selection(service=("other",)))
    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_a_trace_outside_the_sample_costs_none_of_the_checks_code():
    verdict = verdict_of(applies=raises(ValueError()), selection=Selection(sample=0))
    assert (verdict.outcome, verdict.score) == (Outcome.NOT_SAMPLED, None)


def test_a_trace_that_is_neither_selected_nor_sampled_counts_as_not_applicable():
    verdict = verdict_of(selection=Selection(service=("other",), sample=0))
    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_an_exception_is_an_error_with_its_type_and_place_but_not_its_text():
    verdict = verdict_of(raises(ValueError(f"cannot judge {SECRET}")), applies=lambda _: True)
    assert verdict.outcome is Outcome.ERRORED
    assert verdict.error is not None
    assert verdict.error.startswith("ValueError at ")
    assert f"{__name__.rpartition('.')[2]}:" in verdict.error
    assert SECRET not in verdict.error


def test_the_place_is_the_line_in_the_checks_own_code_and_not_in_a_library():
    def does(_):
        json.loads("{")

    error = verdict_of(does).error
    assert error == f"JSONDecodeError at {__name__}:{does.__code__.co_firstlineno + 1}"


def test_an_exception_that_never_reached_the_checks_code_is_placed_at_its_class():
    verdict = verdict_of(lambda: ())
    assert verdict.outcome is Outcome.ERRORED
    assert verdict.error.startswith("TypeError at ")


def test_an_exception_in_applies_to_is_an_error_too():
    assert verdict_of(applies=raises(KeyError(SECRET))).outcome is Outcome.ERRORED


def test_an_exception_in_the_middle_of_a_generator_drops_what_it_yielded_before():
    def does(_):
        yield Finding("bad", "bad")
        raise ValueError

    verdict = verdict_of(does)
    assert (verdict.outcome, verdict.findings) == (Outcome.ERRORED, ())


def test_endless_recursion_is_an_error():
    def does(interaction):
        return does(interaction)

    assert verdict_of(does).error.startswith("RecursionError at ")


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), MemoryError(), StopIteration()])
def test_a_check_cannot_end_the_process(error):
    assert verdict_of(raises(error)).outcome is Outcome.ERRORED


def test_a_keyboard_interrupt_is_the_users_and_passes():
    with pytest.raises(KeyboardInterrupt):
        verdict_of(raises(KeyboardInterrupt()))


def test_the_name_of_an_exceptions_type_is_cut():
    error = type("E" * 1000, (Exception,), {})()
    assert len(verdict_of(raises(error)).error) < 300


def test_a_check_that_runs_out_of_time_is_timed_out():
    verdict = verdict_of(raises(DeadlineExceeded()), deadline=lambda _: contextlib.nullcontext())
    assert (verdict.outcome, verdict.score) == (Outcome.TIMED_OUT, None)
    assert verdict.error.startswith("not done after 1 s, at ")


def test_a_check_is_inspected_inside_its_deadline_to_the_last_finding():
    inside = []

    @contextlib.contextmanager
    def deadline(limit_ns):
        inside.append(limit_ns)
        yield
        inside.clear()

    def does(_):
        assert inside == [5]
        yield Finding("bad", "bad")
        assert inside == [5]

    planned = PlannedCheck("mine", FakeCheck(does), deadline_ns=5)
    (verdict,) = run(an_interaction(), [planned], deadline=deadline).verdicts
    assert (verdict.outcome, inside) == (Outcome.FAILED, [])


def test_each_check_has_its_own_time_and_runs_out_of_it_alone():
    entered = []

    class Limit:
        def __init__(self, limit_ns):
            self.limit_ns = limit_ns

        def __enter__(self):
            entered.append(self.limit_ns)

        def __exit__(self, *_):
            entered.append("left")

    late = FakeCheck(raises(DeadlineExceeded()))
    checks = (("a", FakeCheck(), 5), ("b", late, 5), ("c", FakeCheck(), 5), ("d", FakeCheck(), 7), ("e", late, 5))
    report = run(an_interaction(), [PlannedCheck(n, c, deadline_ns=ns) for n, c, ns in checks], deadline=Limit)
    assert entered == [5, "left", 5, "left", 5, "left", 7, "left", 5, "left"]
    assert [v.check for v in report.verdicts if v.outcome is Outcome.TIMED_OUT] == ["b", "e"]


def test_a_generator_that_never_ends_is_stopped_and_the_verdict_says_so():
    verdict = verdict_of(lambda _: itertools.repeat(Finding("bad", "bad")))
    assert verdict.outcome is Outcome.FAILED
    assert (len(verdict.findings), verdict.findings_cut) == (MOST_FINDINGS, True)


def test_as_many_findings_as_are_kept_are_not_called_cut():
    verdict = yields(*[Finding("bad", "bad")] * MOST_FINDINGS)
    assert (len(verdict.findings), verdict.findings_cut) == (MOST_FINDINGS, False)


def test_a_generator_that_is_stopped_cleans_up_inside_its_deadline_even_if_something_still_holds_it():
    closed, held = [], []

    def endless():
        try:
            while True:
                yield Finding("bad", "bad")
        finally:
            closed.append(True)

    def does(_):
        held.append(endless())
        return held[0]

    verdict_of(does)
    assert closed == [True]


def test_evidence_without_end_is_cut():
    evidence = (Evidence("00000000000000aa"),) * (MOST_EVIDENCE + 1)
    assert len(yields(Finding("bad", "m", evidence=evidence)).findings[0].evidence) == MOST_EVIDENCE


@pytest.mark.parametrize("returned", [None, 3, True])
def test_a_check_that_returns_no_iterable_has_erred(returned):
    verdict = verdict_of(lambda _: returned)
    assert verdict.error.startswith("InvalidFindingError: inspect returned ")


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (SECRET, "finding 1 is a str, not a Finding"),
        (Finding(SECRET, "m"), "finding 1 has a code that is no word"),
        (Finding("other", "m"), "a code that info.codes does not list"),
        (Finding(None, "m"), "finding 1 has a code that is no word"),
        (Finding("bad", None), "the message of finding 1 is a NoneType"),
        (Finding("bad", "m", severity="fatal"), "the severity of finding 1 is none of warning, error"),
        (Finding("bad", "m", evidence=SECRET), "the evidence of finding 1 is a str"),
        (Finding("bad", "m", evidence=None), "the evidence of finding 1 is a NoneType"),
        (Finding("bad", "m", evidence=(SECRET,)), "holds a str, not only Evidence"),
        (Finding("bad", "m", evidence=(Evidence(span_id=7),)), "is a int, not a string"),
        (Finding("bad", "m", evidence=(Evidence(path=7),)), "is a int, not a string"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=0),)), "not both integers or both None"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=float("nan"), end=1),)), "not both integers"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=False, end=1),)), "not both integers"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=2, end=1),)), "do not lie inside the text"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=0, end=6),)), "do not lie inside the text"),
        (Finding("bad", "m", evidence=(Evidence(path="output", start=-1, end=1),)), "do not lie inside the text"),
        (Finding("bad", "m", evidence=(Evidence(path="system", start=0, end=1),)), "does not have"),
        (Finding("bad", "m", evidence=(Evidence(start=0, end=1),)), "does not have"),
    ],
)
def test_a_finding_that_cannot_be_is_an_error_of_the_check_and_is_not_quoted(finding, says):
    verdict = yields(finding)
    assert (verdict.outcome, verdict.findings) == (Outcome.ERRORED, ())
    assert says in verdict.error
    assert SECRET not in verdict.error


@pytest.mark.parametrize(
    "evidence",
    [Evidence("00000000000000aa"), Evidence(path="output"), Evidence(path="output", start=0, end=5), Evidence()],
)
def test_evidence_may_be_a_span_a_text_or_a_part_of_a_text(evidence):
    assert yields(Finding("bad", "m", evidence=(evidence,))).findings[0].evidence == (evidence,)


def test_a_check_that_declares_no_codes_may_use_any_word():
    verdict = verdict_of(lambda _: [Finding("anything", "m")], info=CheckInfo("fake", "1", "No codes."))
    assert verdict.outcome is Outcome.FAILED


def test_a_long_message_is_cut():
    assert len(yields(Finding("bad", "m" * 10_000)).findings[0].message) == LONGEST_MESSAGE


def test_half_a_surrogate_pair_in_a_message_is_replaced_so_that_it_can_be_stored():
    assert yields(Finding("bad", "m\ud800")).findings[0].message == "m?"


def test_a_check_that_asks_for_deep_structures_leaves_the_next_one_its_stack():
    def deep(_):
        return json.loads("[" * sys.getrecursionlimit() * 50)

    plan = [PlannedCheck("deep", FakeCheck(deep)), PlannedCheck("next", FakeCheck())]
    assert [v.outcome for v in run(an_interaction(), plan).verdicts] == [Outcome.ERRORED, Outcome.PASSED]


def test_checks_that_can_get_ready_are_asked_to_and_a_failure_waits_for_its_verdict():
    loaded = []

    @dataclass(frozen=True)
    class Heavy(FakeCheck):
        def load(self):
            loaded.append(True)
            raise OSError

    load([PlannedCheck("heavy", Heavy()), PlannedCheck("light", FakeCheck()), PlannedCheck("heavy_2", Heavy())])
    assert loaded == [True, True]
