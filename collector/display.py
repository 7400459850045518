"""How verdicts look: a table for people, one JSON line a trace for machines. Shows no captured text."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from checks.money import dollars
from checks.report import Outcome, Report, Verdict
from checks.view import view
from exporters.dataset.plain import plain as fit_for_json

SYMBOLS: Mapping[Outcome, str] = {
    Outcome.PASSED: "[green]pass[/]",
    Outcome.FAILED: "[bold red]FAIL[/]",
    Outcome.NOT_APPLICABLE: "[dim]-[/]",
    Outcome.NOT_SAMPLED: "[dim]not sampled[/]",
    Outcome.ERRORED: "[yellow]error[/]",
    Outcome.TIMED_OUT: "[yellow]timeout[/]",
}
DEPTH = 80
"""Levels of nesting in a JSON line: those of the view, which has its own limit, and what it stands in."""
Row = tuple[str, str, str, Sequence[Verdict]]
"""Trace id, service, convention, verdicts."""


def as_line(report: Report) -> bytes:
    """One trace as a line of JSON, without its newline."""
    interaction = report.interaction
    shape = {
        "trace_id": interaction.trace_id,
        "service": interaction.service,
        "convention": interaction.convention,
        "closed_by": interaction.trace.closed_by.value,
        "view": view(interaction),
        "verdicts": [verdict_shape(v) for v in report.verdicts],
    }
    return json.dumps(fit_for_json(shape, DEPTH), ensure_ascii=False, separators=(",", ":")).encode()


def verdict_shape(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON-able data; ``error`` only where there is one."""
    shape: dict[str, Any] = {
        "check": verdict.check,
        "version": verdict.version,
        "outcome": verdict.outcome.value,
        "score": verdict.score,
        "findings": [
            {
                "code": f.code,
                "severity": f.severity.value,
                "message": f.message,
                "evidence": [
                    {"span_id": e.span_id, "path": e.path, "start": e.start, "end": e.end} for e in f.evidence
                ],
            }
            for f in verdict.findings
        ],
    }
    return {**shape, "error": verdict.error} if verdict.error else shape


def verdict_table(rows: Iterable[Row], checks: Sequence[str], title: str | None = None) -> Table:
    """A line a trace, a column a check, and what is wrong with the trace in the last one."""
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for heading in ("trace", "service", "read as"):
        table.add_column(heading, no_wrap=heading == "trace")
    for check in checks:
        table.add_column(check.replace("_", " "), justify="center")
    table.add_column("findings", overflow="fold")
    for trace_id, service, convention, verdicts in rows:
        by_check = {v.check: v for v in verdicts}
        cells = [SYMBOLS[by_check[c].outcome] if c in by_check else "" for c in checks]
        table.add_row(trace_id[:8], plain(service), convention, *cells, _codes(verdicts))
    return table


def summary(verdicts: Iterable[Sequence[Verdict]]) -> str:
    """One sentence: how many traces, how many failed, and by which checks. One on which a check broke did not pass."""
    failed: Counter[str] = Counter()
    traces = passed = failing = broken = 0
    for one in verdicts:
        names = [v.check for v in one if v.outcome is Outcome.FAILED]
        traces, failing = traces + 1, failing + bool(names)
        breaks = any(v.outcome in (Outcome.ERRORED, Outcome.TIMED_OUT) for v in one)
        passed, broken = passed + (not names and not breaks), broken + breaks
        failed.update(names)
    by_check = ", ".join(f"{name} {count}" for name, count in failed.most_common())
    text = f"{traces} {'trace' if traces == 1 else 'traces'}: {passed} passed, {failing} failed"
    text += f" ({by_check})" if by_check else ""
    return text + (f"; a check broke on {broken}" if broken else "")


def spending(cost: float | None, unpriced: int) -> str | None:
    """One sentence: what model calls cost (dollars), and how many have no price; ``None`` where there were none."""
    if cost is None:
        return "no model call has a price" if unpriced else None
    rest = f", and {unpriced} {'has' if unpriced == 1 else 'have'} no price" if unpriced else ""
    return f"model calls cost {dollars(cost)}{rest}"


def plain(text: str) -> str:
    """Text from outside, harmless in a terminal: no control or direction characters, no markup."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def console(*, stderr: bool = False) -> Console:
    """A console that is wide enough for a table when its output is no terminal."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=140)


def _codes(verdicts: Sequence[Verdict]) -> str:
    found = dict.fromkeys(f"{f.code}" for v in verdicts for f in v.findings)
    broken = [plain(f"{v.check}: {v.error}") for v in verdicts if v.error]
    return ", ".join([*map(plain, found), *broken])
