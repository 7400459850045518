"""One step that was recorded twice becomes one: a wrapper's span around the real one, or two libraries side by side.

Owns when two records mean the same piece of work. What one of the two left out is taken from the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from checks.interaction import ModelCall, Retrieval, Step, ToolCall
from checks.trace import Trace
from collector.conventions import merge

_span_id = attrgetter("span_id")


def once(trace: Trace, steps: Sequence[Step]) -> tuple[Step, ...]:
    """``steps`` (one a span, in order of time) with every step once, in order of time."""
    if not _may_be_nested(trace, steps):
        return _by_response(steps)
    above = _steps_above(trace, steps)
    inside: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        outer = above.get(step.span_id or "")
        if outer is not None and _is_same(outer, step):
            inside[outer.span_id or ""].append(step)
    kept = [_survivor(step, inside, above) for step in steps]
    return _by_response([step for step in kept if step is not None])


def _may_be_nested(trace: Trace, steps: Iterable[Step]) -> bool:
    """Whether some step may be inside another: false where all of them are right under a root that is no step."""
    spans = trace.by_id
    own = set(map(_span_id, steps))
    for span_id in own:
        parent = spans.get(spans[span_id].parent_id or "")
        if parent is not None and (parent.span_id in own or parent.parent_id is not None):
            return True
    return False


def _steps_above(trace: Trace, steps: Iterable[Step]) -> dict[str, Step | None]:
    """For each step, the nearest step among its span's ancestors.

    What is found for a span on the way is kept, so that each is walked once; a cycle of parents ends a walk.
    """
    own = {step.span_id: step for step in steps}
    above: dict[str, Step | None] = {}
    for step in steps:
        path: list[str] = []
        current = step.span_id or ""
        while current not in above:
            path.append(current)
            above[current] = None  # until it is known; and for good, where the walk comes back to it
            parent = trace.by_id[current].parent_id
            if parent in own:
                above[current] = own[parent] if parent != current else None
            elif parent is not None and parent in trace.by_id:
                current = parent
        found = above[current]
        for span_id in path:
            above[span_id] = found
    _open_rings(steps, above)
    return above


def _open_rings(steps: Iterable[Step], above: dict[str, Step | None]) -> None:
    """Where steps are above one another in a ring, let one of them be the outermost, or all would count as wrappers."""
    walked: set[str] = set()
    for step in steps:
        on_the_way: set[str] = set()
        span_id = step.span_id or ""
        while span_id not in walked:
            walked.add(span_id)
            on_the_way.add(span_id)
            outer = above.get(span_id)
            if outer is None:
                break
            if outer.span_id in on_the_way:
                above[span_id] = None
                break
            span_id = outer.span_id or ""


def _is_same(outer: Step, inner: Step) -> bool:
    """Whether a step inside another one of its kind (with no other step between them) is the same piece of work."""
    if isinstance(outer, ModelCall) and isinstance(inner, ModelCall):
        return _agree(outer.response_id, inner.response_id)
    if isinstance(outer, ToolCall) and isinstance(inner, ToolCall):
        return _agree(outer.id, inner.id) and _agree(outer.name, inner.name)
    return isinstance(outer, Retrieval) and isinstance(inner, Retrieval)


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _survivor(step: Step, inside: Mapping[str, list[Step]], above: Mapping[str, Step | None]) -> Step | None:
    """What stays of a step: ``None`` for a wrapper whose work is told by the steps inside it."""
    if isinstance(step, Retrieval):
        return _outermost(step, inside, above)
    if inside.get(step.span_id or ""):
        return None
    outer = above.get(step.span_id or "")
    while outer is not None and len(inside.get(outer.span_id or "", ())) == 1 and _is_same(outer, step):
        step = merge.fill(step, outer)
        outer = above.get(outer.span_id or "")
    return step


def _outermost(step: Retrieval, inside: Mapping[str, list[Step]], above: Mapping[str, Step | None]) -> Retrieval | None:
    """Of nested retrievals the outer one counts, which gives what the app got; unless it recorded no documents."""
    if not step.documents and inside.get(step.span_id):
        return None
    outer, walked = above.get(step.span_id), {step.span_id}
    while isinstance(outer, Retrieval) and outer.span_id not in walked:
        if outer.documents:
            return None
        walked.add(outer.span_id)
        outer = above.get(outer.span_id)
    return step


def _by_response(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Model calls with one response id that ran at the same time are one: the fuller record, filled from the others."""
    groups: dict[str, list[ModelCall]] = {}
    for step in steps:
        if isinstance(step, ModelCall) and step.response_id is not None:
            groups.setdefault(step.response_id, []).append(step)
    replaced: dict[str, ModelCall | None] = {}
    for calls in groups.values():
        for group in _overlapping(calls) if len(calls) > 1 else ():
            best = max(group, key=merge.recorded)
            replaced.update({call.span_id: None for call in group})
            replaced[best.span_id] = _filled(best, group)
    if not replaced:
        return tuple(steps)
    kept = (replaced.get(s.span_id, s) if isinstance(s, ModelCall) else s for s in steps)
    return tuple(step for step in kept if step is not None)


def _overlapping(calls: Sequence[ModelCall]) -> list[list[ModelCall]]:
    """``calls`` in groups that overlap in time: a cache gives the same response id again, later."""
    groups: list[list[ModelCall]] = []
    end = -1
    for call in calls:  # in order of time
        if groups and call.start_ns <= end:
            groups[-1].append(call)
        else:
            groups.append([call])
        end = max(end, call.start_ns + call.duration_ns)
    return groups


def _filled(best: ModelCall, group: Sequence[ModelCall]) -> ModelCall:
    for call in group:
        best = merge.fill(best, call)
    return best
