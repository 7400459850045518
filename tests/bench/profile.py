"""Where the time goes: each step of the way alone, beside the end-to-end figure of the same run, and what is left.

The steps run in this process, on the same requests, batch by batch and in the order of the pipeline: what one step
derives and keeps, the next one finds, as in a sidecar. Nothing is estimated. What cannot be asked for alone is the
difference of two measurements, and its name says so.
"""

import gc
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.frontsteps import FrontSteps
from bench.ledger import Ledger
from bench.lines import Line
from bench.load import Load, sent
from bench.measure import UNTIL_STEADY, Run, run, sidecar_of_its_own, warm_up
from bench.workersteps import WorkerSteps
from servers import Serving

from collector.pipeline.job import Judged

FIRST_ROUNDS = 3
"""After which what fails has its cases, as in the sidecar."""
RESTS = {
    "front": "gRPC, sockets, pipes, scheduling: end to end less these",
    "workers": "pipes and the pool: end to end less these",
}


def lines(rounds: int = 5, traces: int = 640, e2e_traces: int = 3_000) -> Iterator[Line]:
    """For front and workers: a line for each step, their sum, the rest, and the end-to-end figure they add up to."""
    with sidecar_of_its_own() as sidecar:
        warm_up(sidecar, UNTIL_STEADY)
        yield from beside(sidecar, rounds, traces, e2e_traces)


def beside(sidecar: Serving, rounds: int, traces: int, e2e_traces: int) -> Iterator[Line]:
    """The same, beside a sidecar that is there."""
    ledger, runs = Ledger(), []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sidecheck-bench-"))
        front, workers = stack.enter_context(FrontSteps(Path(folder))), WorkerSteps()
        for _ in range(FIRST_ROUNDS):  # imports, first statements, cases
            _round(Ledger(), front, workers, traces)
        gc.collect()
        gc.freeze()  # no sidecar has the benchmark's own modules to look through
        stack.callback(gc.unfreeze)
        for _ in range(rounds):
            runs.append(run(sidecar, Load(e2e_traces)))
            _round(ledger, front, workers, traces)
            ledger.lap()
    yield from _table(ledger.us(traces), runs)


def _round(ledger: Ledger, front: FrontSteps, workers: WorkerSteps, traces: int) -> None:
    bodies = [request.traces for request in sent(Load(traces))]
    closed = front.take(ledger, bodies)
    judged = Judged.joined([workers.judge(ledger, jobs) for jobs in front.jobs_of(closed)])
    front.keep(ledger, judged)
    front.whole(ledger, bodies, judged)
    front.close_round(ledger)
    workers.close_round(ledger)


def _table(steps: Mapping[str, float], runs: Sequence[Run]) -> Iterator[Line]:
    whole = median(r.us(r.cpu_s) for r in runs)
    ends = {"front": median(r.us(r.front_s) for r in runs), "workers": median(r.us(r.workers_s) for r in runs)}
    for process, end in ends.items():
        own = {name: us for name, us in steps.items() if name.startswith(f"{process}:")}
        together = {f"{process}: these together": sum(own.values())}
        rest = {f"{process}: {RESTS[process]}": end - sum(own.values()), f"{process}: end to end": end}
        for name, us in {**own, **together, **rest}.items():
            yield _line(name, us, whole)
    yield _line("all steps together", sum(steps.values()), whole)
    yield _line("end to end", whole, whole)


def _line(name: str, us: float, whole: float) -> Line:
    return Line(name, us, "us a trace", beside={"% of all": 100 * us / whole})
