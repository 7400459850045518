"""How what came late of a trace joins what the store holds of it. Runs where the trace is judged: in a worker.

Until then what is held stays as the store holds it, compressed: unpacked it may be a thousand times larger, and the
front process has many traces in hand at one time.
"""

from dataclasses import dataclass

from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.cutting import fitting, span_ids
from exporters import codec
from exporters.packed import PARTS


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the store holds of a trace, spans and log records together, and how large the trace may become.

    ``span_count`` counts its spans, ``late_spans`` and ``late_logs`` what came now.
    """

    data: bytes
    span_count: int
    late_spans: int
    late_logs: int
    limits: AssemblyLimits

    @property
    def size(self) -> int:
        """Bytes of it when it is unpacked; nothing is unpacked for that."""
        return codec.unpacked_size(self.data)

    def span_ids(self) -> frozenset[str]:
        """The ids of its spans."""
        return span_ids(codec.split_compressed(self.data, PARTS)[0])


@dataclass(frozen=True, slots=True)
class Merged:
    """A trace's telemetry, and how many of the spans and log records that came late found no room in it."""

    spans: bytes
    logs: bytes
    spans_left_out: int = 0
    logs_left_out: int = 0


def merged(earlier: Earlier, spans: bytes, logs: bytes) -> Merged:
    """What is held and what came now.

    What is held already is not kept again: after a crash the journal repeats it, so do clients that lost an answer, and
    so does Kafka to the next owner of a partition.
    Late spans do not make a trace grow without bound: it has ``limits.max_spans`` at most, the first ones, and where
    both together are over twice ``limits.max_bytes``, all of what came now is left out.
    """
    held_spans, held_logs, _ = codec.split_compressed(earlier.data, PARTS)
    left_out = 0
    if earlier.span_count + earlier.late_spans > earlier.limits.max_spans and spans not in held_spans:
        spans, left_out = fitting(spans, held_spans, earlier.limits.max_spans)
    both = _together(held_spans, spans), _together(held_logs, logs)
    if both != (held_spans, held_logs) and sum(map(len, both)) > 2 * earlier.limits.max_bytes:
        return Merged(held_spans, held_logs, earlier.late_spans, earlier.late_logs)
    return Merged(*both, left_out)


def _together(held: bytes, came: bytes) -> bytes:
    """Both, or the one that holds the other: whoever reads a trace again from its first span has all that is held."""
    if came in held:
        return held
    return came if held in came else held + came
