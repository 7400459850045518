"""Leaving spans out of telemetry with more of a trace than is kept. Knows the encoding, not why there is a limit."""

from collections.abc import Container, Iterator
from dataclasses import replace

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, TracesData

from collector.intake import Piece


def first_spans(piece: Piece, most: int) -> Piece:
    """The piece with ``most`` of its spans: the root, if it is there, then those that stand first.

    Without its root a trace has neither a name nor a duration; all other spans are alike.
    """
    data = TracesData.FromString(piece.spans)
    room = _filled(data, most)
    return replace(piece, spans=data.SerializeToString(), span_ids=tuple(room.kept), has_root=room.has_root)


def fitting(came: bytes, held: bytes, most: int) -> tuple[bytes, int]:
    """Leave out of ``came`` what would give its trace more than ``most`` spans together with ``held``.

    The root stays first of all, as in ``first_spans``. A span that is held already takes no room.

    Args:
        came: OTLP ``TracesData`` of one trace, encoded.
        held: The same of what is kept in any case.
        most: How many spans both may have; where ``held`` has more, nothing new fits.

    Returns:
        What remains of ``came``, and how many of its spans were left out.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not what they should be.
    """
    known = {span.span_id for scope in _scopes(TracesData.FromString(held)) for span in scope.spans}
    data = TracesData.FromString(came)
    number = sum(len(scope.spans) for scope in _scopes(data))
    left_out = number - len(_filled(data, max(0, most - len(known)), known).kept)
    return (data.SerializeToString() if left_out else came), left_out


def span_ids(spans: bytes) -> frozenset[str]:
    """The ids, as hex digits, of the spans in encoded OTLP ``TracesData``."""
    return frozenset(span.span_id.hex() for scope in _scopes(TracesData.FromString(spans)) for span in scope.spans)


def _scopes(data: TracesData) -> Iterator[ScopeSpans]:
    return (scope for resource in data.resource_spans for scope in resource.scope_spans)


def _filled(data: TracesData, most: int, known: Container[bytes] = ()) -> "_Room":
    """Leave only what fits in ``data``; what is ``known`` fits in any case."""
    new = (span for scope in _scopes(data) for span in scope.spans if span.span_id not in known)
    roots = min(sum(not span.parent_span_id for span in new), most)
    room = _Room(roots, most - roots, known)
    for scope in _scopes(data):
        room.fill(scope)
    return room


class _Room:
    """How many roots and other spans may still be kept; the ids of those that were."""

    def __init__(self, roots: int, others: int, known: Container[bytes]) -> None:
        self._roots = roots
        self._others = others
        self._known = known
        self.kept: list[bytes] = []
        self.has_root = roots > 0

    def fill(self, scope: ScopeSpans) -> None:
        """Leave out of a scope what does not fit."""
        kept = [
            span for span in scope.spans if span.span_id in self._known or self._takes(is_root=not span.parent_span_id)
        ]
        self.kept += [span.span_id for span in kept]
        del scope.spans[:]
        scope.spans.extend(kept)

    def _takes(self, *, is_root: bool) -> bool:
        if is_root:
            self._roots -= 1
            return self._roots >= 0
        self._others -= 1
        return self._others >= 0
