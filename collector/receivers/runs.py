"""A run of spans, sorted by trace all at once: for where there is nothing to refuse and nothing to change.

Owns the questions that are put to all spans of a run together, in C. What a single span has to be is the business of
``records``, which is asked where any of these does not hold.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.receivers.limits import ReceiverLimits
from collector.receivers.records import MAX_TIME_NS, SPAN_ID_BYTES, TRACE_ID_BYTES, Records, new_records
from collector.receivers.wire import Place

_NO_TRACE, _NO_SPAN = bytes(TRACE_ID_BYTES), bytes(SPAN_ID_BYTES)
_columns = attrgetter("trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "end_time_unix_nano")


def by_trace(body: memoryview, run: Sequence[Place], spans: Sequence[Span], limits: ReceiverLimits) -> list[Records]:
    """What is kept of some spans, by trace, in their order; nothing where they have to be looked at one by one.

    Args:
        body: The request, of which what is kept is a part.
        run: Where each span is in it.
        spans: The same, decoded.
        limits: What is larger is cut.
    """
    _, tags, _, ends = zip(*run, strict=True)
    size = ends[-1] - tags[0]
    if size > limits.attribute_bytes or size != sum(ends) - sum(tags):  # other fields lie between them
        return []
    trace_ids, span_ids, parent_ids, *times = zip(*map(_columns, spans), strict=True)
    if not _are_plain(trace_ids, span_ids, parent_ids) or max(map(max, times)) > MAX_TIME_NS:
        return []
    found = []
    start = 0
    for trace_id, same in groupby(trace_ids):
        end = start + len(list(same))
        fields, has_root = body[tags[start] : ends[end - 1]], b"" in parent_ids[start:end]
        found.append(new_records(trace_id, fields, span_ids[start:end], has_root, end - start))
        start = end
    return found


def _are_plain(trace_ids: Sequence[bytes], span_ids: Sequence[bytes], parent_ids: Sequence[bytes]) -> bool:
    """Whether all are valid, and no parent id has to be taken off."""
    return (
        set(map(len, trace_ids)) == {TRACE_ID_BYTES}
        and set(map(len, span_ids)) == {SPAN_ID_BYTES}
        and set(map(len, parent_ids)) <= {0, SPAN_ID_BYTES}
        and _NO_TRACE not in trace_ids
        and _NO_SPAN not in span_ids
        and _NO_SPAN not in parent_ids
    )
