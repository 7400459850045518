"""A trace read as an ``Interaction``: each span by the conventions it follows, then everything put together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

from checks.constructor import constructor_of
from checks.interaction import Failure, Interaction, ModelCall, Retrieval, Step, ToolCall
from checks.span import LogRecord, Span
from checks.trace import Trace
from collector.conventions import dialogue, duplicates, failures, feedback, identity, merge, repetition, toolcalls
from collector.conventions.reading import Convention, Reading
from collector.conventions.shapes import Shapes
from collector.conventions.table import CONVENTIONS

_start = attrgetter("start_ns")
_new_interaction = constructor_of(Interaction)


def read(trace: Trace) -> Interaction:
    """What the app did in ``trace``. Never raises, whatever the attributes hold.

    A trace without any convention gives an ``Interaction`` of convention ``none`` that holds what every trace has.
    """
    return read_all([trace])[0]


def read_all(traces: Sequence[Trace]) -> list[Interaction]:
    """As ``read``, for several: the spans of all traces first, then what puts each trace's together.

    Both are much code, which stays in the processor's caches that way.
    """
    found = list(map(_found, traces))
    repetition.forget()
    return list(map(_interaction, traces, found))


def _found(trace: Trace) -> "_Found":
    found = _Found()
    for span in trace.spans:
        shape = _shapes[tuple(span.attributes)]
        if shape is not _TELLS_NOTHING:
            found.add(span, shape, trace.logs_of(span.span_id) if trace.logs else ())
    return found


def _interaction(trace: Trace, found: "_Found") -> Interaction:
    calls, steps = _steps(duplicates.once(trace, found.steps))
    said = dialogue.read(trace, found.entries, calls)
    return _new_interaction(
        trace=trace,
        convention=_convention(found, calls),
        steps=steps,
        user_input=said.user_input,
        final_output=said.final_output,
        system=said.system,
        refusal=said.refusal,
        feedback=feedback.read(trace, in_attributes=found.has_feedback),
        session_id=identity.session_id(trace, found.identity),
        user_id=identity.user_id(trace, found.identity),
        error=_error(trace, steps),
        input_span=said.input_span,
        output_span=said.output_span,
        entry_spans=tuple(found.entries),
    )


class _Shape(NamedTuple):
    """What the names of a span's attributes tell."""

    followed: tuple[Convention, ...] = ()
    """The conventions that it may follow."""
    has_feedback: bool = False
    keys: identity.Keys = identity.NO_KEYS


_TELLS_NOTHING = _Shape()


def _shape_of(names: tuple[str, ...]) -> _Shape:
    joined = "\n".join(names)
    followed = tuple(convention for convention in CONVENTIONS if any(map(joined.__contains__, convention.marks)))
    shape = _Shape(followed, feedback.may_be_among(names), identity.keys_among(names))
    return _TELLS_NOTHING if shape == _TELLS_NOTHING else shape


_shapes = Shapes(_shape_of)


class _Found:
    """What the conventions said of the spans, in order of time."""

    def __init__(self) -> None:
        self.has_feedback = False
        self.identity = identity.NO_KEYS
        self.steps: list[Step] = []
        self.entries: dict[str, Reading] = {}
        self.conventions: dict[str, str] = {}

    def add(self, span: Span, shape: _Shape, records: Sequence[LogRecord]) -> None:
        followed, has_feedback, keys = shape
        if has_feedback:
            self.has_feedback = True
        if keys is not identity.NO_KEYS:
            self.identity = identity.joined(self.identity, keys)
        if len(followed) == 1:
            name, reading = followed[0].name, followed[0].read(span, records)
        else:
            name, reading = _read_by_several(followed, span, records)
        if reading is None:
            return
        self.conventions[span.span_id] = name
        if reading.step is not None:
            self.steps.append(reading.step)
        if reading.is_entry:
            self.entries[span.span_id] = reading


def _read_by_several(
    followed: Sequence[Convention], span: Span, records: Sequence[LogRecord]
) -> tuple[str, Reading | None]:
    """What a span means by the first convention it follows, filled from the others where they see the same in it."""
    readings: list[tuple[Convention, Reading]] = []
    for convention in followed:
        if readings and any(convention.name in other.includes for other, _ in readings):
            continue
        if (found := convention.read(span, records)) is not None:
            readings.append((convention, found))
    if not readings:
        return "none", None
    first, reading = next(((c, r) for c, r in readings if r.step is not None or r.is_entry), readings[0])
    for _, other in readings:
        if reading.step is not None and type(other.step) is type(reading.step):
            reading = replace(reading, step=merge.fill(reading.step, other.step))
    return first.name, reading


def _steps(recorded: Sequence[Step]) -> tuple[list[ModelCall], tuple[Step, ...]]:
    """The model calls, and all steps with those tool calls that only messages tell of; both in order of time."""
    calls: list[ModelCall] = []
    runs: list[ToolCall] = []
    retrievals: list[Retrieval] = []
    for step in recorded:
        if isinstance(step, ModelCall):
            calls.append(step)
        elif isinstance(step, ToolCall):
            runs.append(step)
        else:
            retrievals.append(step)
    return calls, tuple(sorted((*calls, *toolcalls.combine(calls, runs), *retrievals), key=_start))


def _convention(found: _Found, calls: Sequence[ModelCall]) -> str:
    """The convention that most model calls were read by; without any model call, that most spans follow."""
    followed = set(found.conventions.values())
    if len(followed) == 1:
        return followed.pop()
    names = [found.conventions.get(call.span_id, "none") for call in calls] or found.conventions.values()
    votes = Counter(names)
    order = [convention.name for convention in CONVENTIONS]
    return max(votes, key=lambda name: (votes[name], -order.index(name))) if votes else "none"


def _error(trace: Trace, steps: Sequence[Step]) -> Failure | None:
    """The error that tells most: the root's, a model call's, another step's, any span's."""
    failed = failures.first(trace.spans)
    if failed is None:
        return None  # a step has the error of its span
    root = failures.of_span(trace.root) if trace.root else None
    if root is not None:
        return root
    error = None
    for step in steps:
        if step.error is not None and (error is None or isinstance(step, ModelCall)):
            error = step.error
            if isinstance(step, ModelCall):
                break
    return error or failed
