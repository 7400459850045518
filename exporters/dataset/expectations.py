"""What a failed check demands of the next run: from verdicts to an Expectation.

Every failed check contributes its name, version and options under ``checks``, so that it can be run again as it was.
Those whose demand can be said as data, without the check itself, contribute that too: by their own method ``expects``
(``checks.check.Expecting``), or by a function in ``CONTRIBUTIONS`` where it takes what only the dataset knows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from checks.builtin.latency import Latency
from checks.builtin.pii import NOT_FULLY_SCANNED
from checks.builtin.valid_json.schema import SchemaError, compile_schema
from checks.finding import Severity
from checks.interaction import Interaction
from checks.plan import PlannedCheck
from checks.report import Verdict
from exporters.dataset.case import Expectation
from exporters.dataset.demands import BrokenDemand, demands_of, joined
from exporters.dataset.plain import plain

Contribution = Callable[[Expectation, Verdict, Interaction, PlannedCheck | None], Expectation]
"""Adds to the expectation what the failed check demands. The planned check is ``None`` where it is not known."""

ANY_JSON: Mapping[str, Any] = {}
"""The JSON Schema that every JSON value meets (2020-12 core, 4.3.1): "is JSON", where no schema was recorded."""

FENCED, FENCE = "fenced", "```"
"""The finding code by which ``valid_json`` tells of a code block around the JSON, and what begins and ends one."""
UNRESOLVABLE = "unresolvable"
"""The finding code by which ``citations`` points at a citation of what was not retrieved."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Personal data that a check found. ``value`` must never be written: it serves its own removal and nothing else."""

    entity: str
    value: str = field(repr=False)
    path: str
    severity: Severity

    @property
    def placeholder(self) -> str:
        """What stands for the value where it was not replaced within its case."""
        return f"<{self.entity}>"

    @property
    def must_go(self) -> bool:
        """Whether the answer itself failed for it: a warning, or a find in what the user said, is no demand."""
        return self.path == "output" and self.severity is Severity.ERROR


def expect(
    verdicts: Iterable[Verdict], interaction: Interaction, plan: Iterable[PlannedCheck] = ()
) -> tuple[Expectation, tuple[str, ...]]:
    """What must hold when the interaction is run again, and the names of the checks that could not say it.

    Args:
        verdicts: those whose failure made the case; of an interaction that is to be a good example, those that passed.
        interaction: what they judged.
        plan: the checks as configured; says what a verdict's name stands for, and with which options.
    """
    planned = {entry.name: entry for entry in plan}
    verdicts = list(verdicts)
    expectation = Expectation(checks={v.check: _as_run(v, planned.get(v.check)) for v in verdicts})
    broken = []
    for verdict in verdicts:
        entry = planned.get(verdict.check)
        contribute = CONTRIBUTIONS.get(kind_of(verdict, entry))
        if contribute is not None:
            expectation = contribute(expectation, verdict, interaction, entry)
        try:
            own = demands_of(entry.check if entry else None, interaction, verdict.findings)
            expectation = joined(expectation, own)
        except BrokenDemand:
            broken.append(verdict.check)
    return expectation, tuple(broken)


def kind_of(verdict: Verdict, entry: PlannedCheck | None) -> str:
    """The check's own name, whatever name it goes by in the configuration."""
    return entry.check.info.name if entry else verdict.check


def error_codes(verdict: Verdict) -> tuple[str, ...]:
    """The codes that made the verdict a failure, each once, sorted."""
    return tuple(sorted({f.code for f in verdict.findings if f.severity is Severity.ERROR}))


def leaks_in(verdicts: Iterable[Verdict], interaction: Interaction) -> tuple[Leak, ...]:
    """What these verdicts of PII checks point at, cut out of the text by the offsets of their evidence."""
    texts = {path: text for path, _, text in interaction.texts()}
    places = (
        (finding, evidence.path or "", texts.get(evidence.path or "", "")[evidence.start : evidence.end])
        for verdict in verdicts
        for finding in verdict.findings
        if finding.code != NOT_FULLY_SCANNED
        for evidence in finding.evidence
        if evidence.start is not None and evidence.end is not None
    )
    return tuple(Leak(f.code.upper(), value, path, f.severity) for f, path, value in places if value.strip())


def _as_run(verdict: Verdict, entry: PlannedCheck | None) -> dict[str, Any]:
    written: dict[str, Any] = {"version": verdict.version}
    if entry is not None and entry.check.info.name != verdict.check:
        written["use"] = entry.check.info.name
    if entry is not None and entry.options:
        written["options"] = plain(entry.options)
    return written


def _valid_json(
    expected: Expectation, verdict: Verdict, interaction: Interaction, entry: PlannedCheck | None
) -> Expectation:
    """The last schema of the app's that can be used, else the configured one, else any JSON; no code block around."""
    sent = [c.response_format.schema for c in reversed(interaction.model_calls) if c.response_format]
    configured = entry.options.get("schema") if entry else None
    schema = next((s for s in (*sent, configured) if isinstance(s, Mapping) and _is_usable(s)), ANY_JSON)
    is_fenced = FENCED in error_codes(verdict) and (interaction.final_output or "").count(FENCE) == 2
    fence = (FENCE,) if is_fenced else ()
    return replace(expected, json_schema=plain(schema), must_not_mention=(*expected.must_not_mention, *fence))


def _is_usable(schema: Mapping[str, Any]) -> bool:
    """What an app sent may be no schema at all; an answer could never meet that."""
    try:
        compile_schema(schema)
    except SchemaError:
        return False
    return True


def _citations(
    expected: Expectation, verdict: Verdict, interaction: Interaction, _: PlannedCheck | None
) -> Expectation:
    """One of the documents is to be cited, and nothing that none of them is."""
    names = (d.id or d.source or d.title for d in interaction.documents)
    answer = interaction.final_output or ""
    places = (place for finding in verdict.findings if finding.code == UNRESOLVABLE for place in finding.evidence)
    invented = (answer[place.start : place.end] for place in places if place.path == "output")
    return replace(
        expected,
        relevant_documents=tuple(dict.fromkeys(name for name in names if name)),
        must_not_mention=tuple(dict.fromkeys((*expected.must_not_mention, *filter(str.strip, invented)))),
    )


def _pii(expected: Expectation, verdict: Verdict, interaction: Interaction, _: PlannedCheck | None) -> Expectation:
    """The kinds that leaked. ``promote`` makes them the placeholders of the very values where it redacts."""
    leaked = [leak.placeholder for leak in leaks_in([verdict], interaction) if leak.must_go]
    return replace(expected, must_not_mention=tuple(dict.fromkeys((*expected.must_not_mention, *leaked))))


def _latency(
    expected: Expectation, verdict: Verdict, interaction: Interaction, entry: PlannedCheck | None
) -> Expectation:
    """The limits that were in force for this service and route, as the check's options."""
    if entry is None or not isinstance(entry.check, Latency):
        return expected
    limits = {"options": _limits(entry.check, interaction)}
    demands = {**expected.checks, verdict.check: {**expected.checks[verdict.check], **limits}}
    return replace(expected, checks=demands)


def _limits(check: Latency, interaction: Interaction) -> dict[str, Any]:
    override = next((o for o in check.limits if o.matches(interaction)), None)
    own = {name: getattr(check, name) for name in ("max_trace", "max_model_call", "max_first_token")}
    given = {name: getattr(override, name, "inherit") for name in own}
    return {name: plain(limit if given[name] == "inherit" else given[name]) for name, limit in own.items()}


CONTRIBUTIONS: Mapping[str, Contribution] = {
    "valid_json": _valid_json,
    "citations": _citations,
    "pii": _pii,
    "latency": _latency,
}
