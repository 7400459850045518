"""A trace read as an ``Interaction``: each span by the conventions it follows, then everything put together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from checks.interaction import Failure, Interaction, ModelCall, Retrieval, Step, ToolCall
from checks.span import Span
from checks.trace import Trace
from collector.conventions import dialogue, duplicates, failures, feedback, identity, merge, toolcalls
from collector.conventions.reading import Reading
from collector.conventions.table import CONVENTIONS


def read(trace: Trace) -> Interaction:
    """What the app did in ``trace``. Never raises, whatever the attributes hold.

    A trace without any convention gives an ``Interaction`` of convention ``none`` that holds what every trace has.
    """
    found = _Found()
    for span in trace.spans:
        found.add(span, trace)
    recorded = duplicates.once(trace, found.steps)
    calls = [step for step in recorded if isinstance(step, ModelCall)]
    steps = _steps(recorded, calls)
    said = dialogue.read(trace, found.entries, calls)
    return Interaction(
        trace=trace,
        convention=_convention(found, calls),
        steps=steps,
        user_input=said.user_input,
        final_output=said.final_output,
        system=said.system,
        refusal=said.refusal,
        feedback=feedback.read(trace),
        session_id=identity.session_id(trace),
        user_id=identity.user_id(trace),
        error=_error(trace, steps),
        input_span=said.input_span,
        output_span=said.output_span,
    )


@dataclass(slots=True)
class _Found:
    """What the conventions said of the spans, in order of time."""

    steps: list[Step] = field(default_factory=list)
    entries: dict[str, Reading] = field(default_factory=dict)
    conventions: dict[str, str] = field(default_factory=dict)

    def add(self, span: Span, trace: Trace) -> None:
        name, reading = _reading(span, trace)
        if reading is None:
            return
        self.conventions[span.span_id] = name
        if reading.step is not None:
            self.steps.append(reading.step)
        if reading.is_entry:
            self.entries[span.span_id] = reading


def _reading(span: Span, trace: Trace) -> tuple[str, Reading | None]:
    """What a span means by the first convention it follows, filled from the others where they see the same in it."""
    readings = list(_readings(span, trace))
    if not readings:
        return "none", None
    name, reading = next(((n, r) for n, r in readings if r.step is not None or r.is_entry), readings[0])
    for _, other in readings:
        if reading.step is not None and type(other.step) is type(reading.step):
            reading = replace(reading, step=merge.fill(reading.step, other.step))
    return name, reading


def _readings(span: Span, trace: Trace) -> Iterator[tuple[str, Reading]]:
    records = trace.logs_of(span.span_id)
    done: frozenset[str] = frozenset()
    for convention in CONVENTIONS:
        reading = convention.read(span, records) if convention.name not in done else None
        if reading is not None:
            yield convention.name, reading
            done |= convention.includes


def _steps(recorded: Sequence[Step], calls: Sequence[ModelCall]) -> tuple[Step, ...]:
    runs = [step for step in recorded if isinstance(step, ToolCall)]
    retrievals = [step for step in recorded if isinstance(step, Retrieval)]
    return tuple(sorted((*calls, *toolcalls.combine(calls, runs), *retrievals), key=lambda step: step.start_ns))


def _convention(found: _Found, calls: Sequence[ModelCall]) -> str:
    """The convention that most model calls were read by; without any model call, that most spans follow."""
    votes = Counter(found.conventions.get(call.span_id, "none") for call in calls) or Counter(
        found.conventions.values()
    )
    order = [convention.name for convention in CONVENTIONS]
    return max(votes, key=lambda name: (votes[name], -order.index(name))) if votes else "none"


def _error(trace: Trace, steps: Sequence[Step]) -> Failure | None:
    """The error that tells most: the root's, a model call's, another step's, any span's."""
    root = failures.of_span(trace.root) if trace.root else None
    if root is not None:
        return root
    failed = sorted((step for step in steps if step.error), key=lambda step: not isinstance(step, ModelCall))
    if failed:
        return failed[0].error
    return next((error for span in trace.spans if (error := failures.of_span(span)) is not None), None)
