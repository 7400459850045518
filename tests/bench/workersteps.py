"""What a worker does with closed traces: as a whole, and step by step on the same traces."""

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from bench.checks import Nothing
from bench.ledger import Ledger

from checks import catalogue, runner
from checks.interaction import Interaction
from checks.plan import PlannedCheck
from checks.report import Report, Verdict
from collector.conventions.read import read_all
from collector.pipeline.assembler import assemble
from collector.pipeline.deadline import SignalDeadline
from collector.pipeline.job import PICKLES_BUFFERS, Job, Judged, JudgeOptions
from collector.pipeline.judge import Judge
from exporters.metrics.tally import tally
from exporters.packed import pack_all
from exporters.record import Record

_Message = tuple[bytes, Sequence[pickle.PickleBuffer]]
Checks = Mapping[str, Mapping[str, Any]]
"""The ``checks`` of a configuration."""
ALL: Checks = {name: {} for name in catalogue.DEFAULT_CHECKS}
PACK, UNPACK = "front: encode tasks", "front: decode answers"
WHOLE, INAPPLICABLE = "workers: whole", "workers: inapplicable check"
RUNNER = "workers: runner (selection, deadline, verdict; all checks)"
REST = "workers: what else is in a record (keys, figures of calls): whole less these"


class Inapplicable(Nothing):
    """A check that applies to nothing: what is left is the runner's own."""

    def applies_to(self, _: Interaction) -> bool:
        """Never."""
        return False


class WorkerSteps:
    """The tools of a worker, to be used in the main thread of a process, as its deadlines are."""

    def __init__(self, checks: Checks = ALL) -> None:
        self._deadline = SignalDeadline()
        self._plan = catalogue.build(checks)
        self._judge = Judge(JudgeOptions(checks), self._deadline)
        self._inapplicable = [PlannedCheck("inapplicable", Inapplicable())]
        runner.load(self._plan)
        self._judge.load()

    def judge(self, ledger: Ledger, jobs: Sequence[Job]) -> Judged:
        """Judge a batch, twice; its way to the worker and back is a part of it."""
        with ledger.step(PACK):
            task = _told(jobs)
        with ledger.step(WHOLE):
            records = self._judge.judge_all(_heard(task))
            answer = _told(Judged.of(records))
        self._judge_in_steps(ledger, task, records)
        with ledger.step(UNPACK):
            return _heard(answer)

    def close_round(self, ledger: Ledger) -> None:
        """Turn sums into differences."""
        ledger.take_out(INAPPLICABLE, [_step(planned) for planned in self._plan], RUNNER)
        ledger.left(WHOLE, REST)

    def _judge_in_steps(self, ledger: Ledger, task: Any, records: Sequence[Record]) -> None:
        with ledger.step("workers: decode tasks"):
            jobs: Sequence[Job] = _heard(task)
        self._judge_all(ledger, jobs)
        with ledger.step("workers: make the store's rows (compress)"):
            packed = pack_all(records)
        with ledger.step("workers: tally for the metrics"):
            tallies = (tally(records),)
        with ledger.step("workers: encode answers"):
            _told(Judged(packed, tallies))

    def _judge_all(self, ledger: Ledger, jobs: Sequence[Job]) -> None:
        """Side by side, as a worker does: of one trace alone no step would find its own code still warm."""
        with ledger.step("workers: assemble"):
            traces = [assemble(job.trace_id, job.spans, job.logs, job.closed_by) for job in jobs]
        with ledger.step("workers: read by conventions"):
            interactions = read_all(traces)
        reports = self._check(ledger, interactions)
        with ledger.step("workers: draft cases"):
            for job, report in zip(jobs, reports, strict=True):
                self._judge._draft(job, report)

    def _check(self, ledger: Ledger, interactions: Sequence[Interaction]) -> list[Report]:
        verdicts: list[list[Verdict]] = [[] for _ in interactions]
        for planned in self._plan:
            with ledger.step(_step(planned)):
                reports = runner.run_all(interactions, [planned], deadline=self._deadline)
            for own, report in zip(verdicts, reports, strict=True):
                own.extend(report.verdicts)
        with ledger.step(INAPPLICABLE):  # last, when the runner's code is warm, as it is for all checks but the first
            runner.run_all(interactions, self._inapplicable, deadline=self._deadline)
        return [Report(made, tuple(own)) for made, own in zip(interactions, verdicts, strict=True)]


def _told(message: Any) -> _Message:
    """Encoded as for a ``collector.pipeline.pipe``, but not written to it."""
    apart: list[pickle.PickleBuffer] = []
    return pickle.dumps(message, PICKLES_BUFFERS, buffer_callback=apart.append), apart


def _heard(message: _Message) -> Any:
    told, apart = message
    return pickle.loads(told, buffers=[*map(bytes, apart)])


def _step(planned: PlannedCheck) -> str:
    return f"workers: check {planned.name}"
