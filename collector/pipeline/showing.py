"""A stored trace read once more, for a person who looks at it. Judges nothing and changes nothing."""

import threading

from google.protobuf.message import DecodeError

from checks.interaction import Interaction
from collector.pipeline.assembler import assemble
from exporters.store import StoredTrace

_one_at_a_time = threading.Lock()
"""A large trace takes a hundred times its bytes while it is read; several at once would take several times that."""


def read_trace(stored: StoredTrace) -> Interaction | None:
    """An ``exporters.review.site.ReadTrace``: what the app did in the trace, with all its spans."""
    from collector.conventions.read import read  # the first page of a trace waits for all conventions, and no start

    with _one_at_a_time:
        try:
            trace = assemble(stored.trace_id, stored.spans, stored.logs, stored.closed_by, (), stored.truncated)
        except DecodeError:
            return None
        return read(trace)
