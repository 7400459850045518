"""Closed traces in, a record of each out: assemble, read, inspect, draft a case.

Runs in a worker process beside the app's traffic, or in-process for ``sidecheck check``. Owns no queue and no store.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

from checks import catalogue, runner
from checks.constructor import constructor_of
from checks.deadline import Deadline, DeadlineExceeded, no_deadline
from checks.interaction import Interaction, ModelCall
from checks.plan import PlannedCheck
from checks.report import Outcome, Report
from checks.trace import Trace
from checks.view import model_of, tokens_of, view
from collector.conventions.read import read, read_all
from collector.pipeline.assembler import assemble
from collector.pipeline.job import DRAFT_WITHIN_NS, Job, JudgeOptions, Over, errored, whole
from collector.pipeline.pricing import Prices, as_judged
from exporters import codec
from exporters.dataset.case import Case
from exporters.dataset.gate import admit
from exporters.dataset.likeness import Likeness, family_of, likeness
from exporters.dataset.likeness import load as load_likeness
from exporters.dataset.promote import draft, failures, outline
from exporters.dataset.redact import RedactionFailed, Redactor
from exporters.dataset.typical import is_typical
from exporters.record import CallFacts, Record

NONE_LEFT_OUT: Mapping[str, str] = MappingProxyType({})
MOST_KEYS = 128
"""Feedback may name a trace by so many of its span and response ids: a model call has one or two, a tool run or a
retrieval one."""
MOST_RESPONSES = 64
MOST_ENTRIES = 16
"""So many of them are agents' and chains'; the outermost start first."""

_new_record, _new_facts = constructor_of(Record), constructor_of(CallFacts)


class Judge:
    """Judges traces by a fixed plan of checks. Raises ``checks.catalogue.CheckConfigError`` for a bad plan."""

    def __init__(
        self, options: JudgeOptions, deadline: Deadline = no_deadline, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._options = options
        self._plan = catalogue.build(options.checks)
        self._deadline = deadline
        self._wall_ns = wall_ns
        self._prices = None if options.prices is None else Prices(options.prices)
        self._redact = self._redactor if options.drafts_cases and options.redacts else None

    @cached_property
    def _redactor(self) -> Redactor:
        from checks.builtin.pii.engine import PiiEngine

        return Redactor(PiiEngine().load().find, self._options.fakes)

    def load(self) -> None:
        """Load what checks need, so that the first trace does not wait for it, nor its deadline pay for it."""
        runner.load(self._plan)
        if self._options.drafts_cases:
            load_likeness()

    def report(self, job: Job, left_out: Mapping[str, str] = NONE_LEFT_OUT) -> Report:
        """The verdicts on one trace, without a record of it.

        The checks in ``left_out`` are not run: each gets ``ERRORED``, for the reason that is given with its name.
        """
        return self._reports([whole(job)[0]], left_out)[0]

    def judge(self, job: Job, left_out: Mapping[str, str] = NONE_LEFT_OUT) -> Record:
        """The verdicts on one trace as a record for the sinks; ``left_out`` as in ``report``."""
        return self.judge_all([job], left_out)[0]

    def judge_all(self, jobs: Sequence[Job], left_out: Mapping[str, str] = NONE_LEFT_OUT) -> list[Record]:
        """The records of a batch of traces, in their order; ``left_out`` as in ``report``.

        They go side by side, through each step all of them before the next one: from the second trace on its code is in
        the processor's caches. A batch of 128 takes a fifth less than its traces one by one. What is open meanwhile is
        one batch, whose bytes are limited.
        """
        several = list(map(whole, jobs))
        reports = self._reports([job for job, _ in several], left_out)
        cases = [self._draft(job, report) for (job, _), report in zip(several, reports, strict=True)]
        return [
            self._with_late_calls(given, self._record(job, over, report, *drafted), report)
            for given, (job, over), report, drafted in zip(jobs, several, reports, cases, strict=True)
        ]

    def try_check(self, job: Job, check: str) -> None:
        """Run one check on a trace and keep nothing, to see whether this process survives it."""
        plan = [planned for planned in self._plan if planned.name == check]
        runner.run(self._interaction(whole(job)[0]), plan, deadline=self._deadline)

    def draft(self, job: Job) -> Case | None:
        """The case that a person makes of a judged trace, by the verdicts that stand (``previous``).

        ``None`` where no cases are made. Raises ``RedactionFailed``: it must not be written.
        """
        if not self._options.drafts_cases:
            return None
        try:
            return self._drafted(Report(self._interaction(whole(job)[0]), job.previous or ()), by_hand=True)
        except DeadlineExceeded:
            raise RedactionFailed("its personal data could not be removed in time") from None

    def view(self, job: Job, costs: Sequence[float | None]) -> str:
        """The view of a judged trace as JSON, with what its model calls cost then."""
        return codec.to_json(view(as_judged(read(_assembled(job)), costs)))

    def admit(self, case: Case, trusted: Case | None = None, redact: bool = False) -> Case:
        """The case as it may stand in the dataset; see ``exporters.dataset.gate``.

        Where nothing is redacted it is not looked at either, and marked where it is not as it was trusted. With
        ``redact``, what would be found is replaced first.

        Raises ``RedactionFailed``: it must not stand there.
        """
        if not self._options.redacts and not redact:
            return case if case == trusted else replace(case, redacted=None)
        redactor = self._redactor  # to load it is not what the time is for
        try:
            with self._deadline(DRAFT_WITHIN_NS):
                # What ties a case to its trace cannot be changed; what is found there makes it be refused.
                clean = replace(redactor(case), source=case.source) if redact else case
                return admit(clean, redactor.find, trusted)
        except DeadlineExceeded:
            raise RedactionFailed("it could not be searched for personal data in time") from None

    def _reports(self, jobs: Sequence[Job], left_out: Mapping[str, str]) -> list[Report]:
        """A report on each of these traces, which are whole."""
        plan = [planned for planned in self._plan if planned.name not in left_out] if left_out else self._plan
        reports = runner.run_all(self._interactions(jobs), plan, deadline=self._deadline)
        return [_with_errors(report, self._plan, left_out) for report in reports] if left_out else reports

    def _interactions(self, jobs: Sequence[Job]) -> list[Interaction]:
        interactions = read_all(list(map(_assembled, jobs)))
        if self._prices is not None:
            for made in interactions:
                self._prices.price(made)
        return interactions

    def _interaction(self, job: Job) -> Interaction:
        return self._interactions([job])[0]

    def _facts(self, call: ModelCall) -> CallFacts:
        usage = call.usage
        return _new_facts(
            call.response_model or call.model,
            usage.input,
            usage.output,
            usage.cached_input,
            call.ttft_ns,
            call.cost,
            self._prices is not None and call.is_unpriced,
        )

    def _record(
        self, job: Job, over: Over, report: Report, case: Case | None, compared_by: Likeness | None, withheld: bool
    ) -> Record:
        interaction = report.interaction
        trace, calls = interaction.trace, interaction.model_calls
        root, start_ns, duration_ns = trace.root, trace.start_ns, trace.duration_ns
        tokens = tokens_of(calls) or {}
        return _new_record(  # in the order of its fields: see ``constructor_of``
            trace.trace_id,
            trace.service,
            interaction.convention,
            trace.closed_by,
            start_ns,
            start_ns + duration_ns,  # end_ns
            duration_ns,
            len(trace.spans),  # span_count
            trace.truncated,
            report.verdicts,
            model_of(calls),
            interaction.user_input,
            interaction.final_output,
            tokens.get("input"),
            tokens.get("output"),
            True,  # is_read
            tuple(map(self._facts, calls)),
            interaction.feedback,
            interaction.session_id,
            interaction.user_id,
            _keys(interaction),
            job.spans,
            job.logs,
            case,
            compared_by,
            withheld,
            job.previous,
            self._wall_ns(),  # evaluated_ns
            _scopes(trace) if interaction.convention == "none" else (),
            job.previous_feedback,
            job.replaces_ns,
            None if root is None else root.span_id,
            _responses(interaction) if self._options.tells_results else (),
            *over,  # spans_left_out, logs_left_out
        )

    def _with_late_calls(self, given: Job, record: Record, report: Report) -> Record:
        """The record with the model calls that came late; of a trace that mere feedback opened again there are none."""
        if given.earlier is None or not given.earlier.late_spans or given.is_counted:
            return record
        held = given.earlier.span_ids()
        late = [call for call in report.interaction.model_calls if call.span_id and call.span_id not in held]
        return replace(record, late_calls=tuple(map(self._facts, late))) if late else record

    def _draft(self, job: Job, report: Report) -> tuple[Case | None, Likeness | None, bool]:
        """The case, what it is compared by, and whether there is none because it must not be written: not redacted.

        Where there is no room there is no case.
        """
        options = self._options
        if not options.drafts_cases or not (_is_failing(report) or is_typical(report, options.typical_rate)):
            return None, None, False
        failed = failures(report, self._plan)
        try:
            if job.may_wait and family_of(report.interaction.service, failed) in job.full:
                return None, self._outlined(report), False
            case = self._drafted(report)
        except (RedactionFailed, DeadlineExceeded):
            return None, None, True
        return case, None if case is None else likeness(case, failed), False

    def _outlined(self, report: Report) -> Likeness | None:
        with self._deadline(DRAFT_WITHIN_NS):
            return outline(report, self._redact, self._plan, self._options.typical_rate)

    def _drafted(self, report: Report, *, by_hand: bool = False) -> Case | None:
        rate = self._options.typical_rate
        with self._deadline(DRAFT_WITHIN_NS):
            return draft(report, self._redact, plan=self._plan, typical_rate=rate, by_hand=by_hand)


def _is_failing(report: Report) -> bool:
    return Outcome.FAILED in [verdict.outcome for verdict in report.verdicts]


def _assembled(job: Job) -> Trace:
    return assemble(job.trace_id, job.spans, job.logs, job.closed_by, job.feedback, job.truncated)


def _with_errors(report: Report, plan: Sequence[PlannedCheck], errors: Mapping[str, str]) -> Report:
    """The report with an ``ERRORED`` verdict for each check that has an error, in the order of the plan."""
    verdicts = {verdict.check: verdict for verdict in report.verdicts}
    for planned in plan:
        error = errors.get(planned.name)
        if error is not None:
            verdicts[planned.name] = errored(planned.name, planned.check.info.version, error)
    return replace(report, verdicts=tuple(verdicts[planned.name] for planned in plan))


def _keys(interaction: Interaction) -> tuple[tuple[str, str], ...]:
    """The likeliest first: the root, agents, then the last steps, which made the answer that a user saw."""
    root = interaction.trace.root
    first = () if root is None else (root.span_id,)
    named = [("span", span_id) for span_id in (*first, *interaction.entry_spans[:MOST_ENTRIES]) if span_id]
    for step in reversed(interaction.steps):
        if isinstance(step, ModelCall) and step.response_id:
            named.append(("response", step.response_id))
        if step.span_id:
            named.append(("span", step.span_id))
    return tuple(dict.fromkeys(named))[:MOST_KEYS]


def _responses(interaction: Interaction) -> tuple[tuple[str, str], ...]:
    calls = interaction.model_calls[-MOST_RESPONSES:]
    return tuple([(call.span_id, call.response_id) for call in calls if call.response_id])


def _scopes(trace: Trace) -> tuple[str, ...]:
    return tuple(sorted({span.scope.name for span in trace.spans}))
