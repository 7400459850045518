"""``sidecheck check``: files in, a table or JSON lines out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from checks.report import Outcome, Report
from collector.display import Row, as_line, console, summary, verdict_table
from collector.offline import Tally, judge_batches
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.judge import Judge, JudgeOptions
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
    judge = Judge(JudgeOptions(settings.checks, drafts_cases=False))
    limits = settings.assembly
    tally = Tally()
    with _progress(paths) as advance:
        batches = chain.from_iterable(
            read_file(path, ReceiverLimits(attribute_bytes=settings.limits.attribute_value), advance) for path in paths
        )
        assembly = AssemblyLimits(max_spans=limits.max_spans, max_bytes=limits.max_bytes)
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
    rows: list[tuple[bool, Row]] = []
    for report in reports:
        interaction = report.interaction
        row = (interaction.trace_id, interaction.service, interaction.convention, report.verdicts)
        rows.append((_is_bad(report), row))
    if not rows:
        console().print("no traces found")
        return False
    shown = sorted(rows, key=lambda pair: not pair[0])[:ROWS_SHOWN] if len(rows) > ROWS_SHOWN else rows
    console().print(verdict_table((row for _, row in shown), checks))
    if len(shown) < len(rows):
        console().print(f"{len(rows) - len(shown)} more traces are not shown; --json prints all")
    console().print(summary(row[3] for _, row in rows))
    return any(bad for bad, _ in rows)


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
