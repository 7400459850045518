"""``sidecheck check``: files in, a table or JSON lines out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from checks.report import Outcome, Report, Verdict
from collector.display import Row, as_line, console, spending, summary, verdict_table
from collector.offline import Tally, judge_batches
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.deadline import SignalDeadline
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from collector.receivers.files import read_file
from collector.receivers.limits import ReceiverLimits
from collector.settings import Settings

ROWS_SHOWN = 500
"""A table of more traces is no longer read by anybody: the failing ones come first, the rest is counted."""


def run(paths: Sequence[str], settings: Settings, *, as_json: bool) -> int:
    """Judge every trace in the files and print the verdicts. Returns the exit code: 0 all passed, 1 some failed.

    Raises:
        UnreadableFile: a file is not there or holds no OTLP; the text names the file and the place.
    """
    judge = Judge(JudgeOptions(settings.checks, drafts_cases=False, prices=settings.prices), SignalDeadline())
    judge.load()
    limits = settings.limits
    reading = ReceiverLimits(limits.request, limits.spans_per_request, limits.attribute_value)
    assembly = AssemblyLimits(max_spans=settings.assembly.max_spans, max_bytes=settings.assembly.max_bytes)
    tally = Tally()
    with _progress(paths) as advance:
        batches = chain.from_iterable(read_file(path, reading, _steps(advance)) for path in paths)
        reports = judge_batches(batches, judge, assembly, settings.limits.memory, tally)
        failed = _print_lines(reports) if as_json else _print_table(reports, list(settings.checks))
    _print_notes(tally)
    return 1 if failed else 0


def _print_lines(reports: Iterator[Report]) -> bool:
    failed = False
    for report in reports:
        failed = failed or _is_bad(report)
        sys.stdout.buffer.write(as_line(report) + b"\n")
    sys.stdout.buffer.flush()
    return failed


def _print_table(reports: Iterator[Report], checks: Sequence[str]) -> bool:
    rows = _Rows()
    told = summary(rows.verdicts(reports))
    if not rows.count:
        console().print("no traces found")
        return False
    shown = rows.shown()
    console().print(verdict_table(shown, checks))
    if len(shown) < rows.count:
        console().print(f"{rows.count - len(shown)} more traces are not shown; --json prints all")
    console().print(told)
    if cost := spending(rows.cost, rows.unpriced):
        console().print(cost)
    return bool(rows.bad)


class _Rows:
    """The rows that a table may show; of a large file not all are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.cost: float | None = None
        self.unpriced = 0
        self.bad: list[tuple[int, Row]] = []
        self.good: list[tuple[int, Row]] = []

    def verdicts(self, reports: Iterator[Report]) -> Iterator[Sequence[Verdict]]:
        """The verdicts of the reports; each report's row is noted on the way."""
        for report in reports:
            rows = self.bad if _is_bad(report) else self.good
            if len(rows) < ROWS_SHOWN:
                interaction = report.interaction
                row = (interaction.trace_id, interaction.service, interaction.convention, report.verdicts)
                rows.append((self.count, row))
            self.count += 1
            self._spend(report)
            yield report.verdicts

    def _spend(self, report: Report) -> None:
        for call in report.interaction.model_calls:
            if call.cost is not None:
                self.cost = call.cost + (self.cost or 0)
            self.unpriced += call.is_unpriced

    def shown(self) -> list[Row]:
        """All rows in their order; where they are too many, the failing ones first."""
        rows = [*self.bad, *self.good]
        return [row for _, row in (sorted(rows, key=itemgetter(0)) if self.count <= ROWS_SHOWN else rows[:ROWS_SHOWN])]


def _is_bad(report: Report) -> bool:
    return any(v.outcome in (Outcome.FAILED, Outcome.ERRORED, Outcome.TIMED_OUT) for v in report.verdicts)


def _print_notes(tally: Tally) -> None:
    notes = {
        "spans or log records were refused (bad ids, or over a limit)": tally.refused,
        "traces were judged before their files ended, because they did not fit in limits.memory": tally.evicted,
        "traces had log records only and were not judged": tally.traces_without_spans,
    }
    for text, count in notes.items():
        if count:
            console(stderr=True).print(f"note: {count} {text}")


@contextmanager
def _progress(paths: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of all files, in a terminal only."""
    total = sum(Path(p).stat().st_size for p in paths if p != "-" and Path(p).is_file())
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("read", total=total or None)
        yield lambda count: bar.advance(task, count)


def _steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """For one file: it tells how much of it was read so far, the bar wants to know how much that is more."""
    seen = 0

    def told(count: int) -> None:
        nonlocal seen
        advance(count - seen)
        seen = count

    return told
