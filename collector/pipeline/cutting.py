"""Leaving spans out of a piece with more of a trace than is kept. Knows the encoding, not why there is a limit."""

from dataclasses import replace

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, TracesData

from collector.intake import Piece


def first_spans(piece: Piece, most: int) -> Piece:
    """The piece with ``most`` of its spans: the root, if it is there, then those that stand first.

    Without its root a trace has neither a name nor a duration; all other spans are alike.
    """
    data = TracesData.FromString(piece.spans)
    scopes = [scope for resource in data.resource_spans for scope in resource.scope_spans]
    roots = sum(not span.parent_span_id for scope in scopes for span in scope.spans)
    room = _Room(min(roots, most), most - min(roots, most))
    for scope in scopes:
        room.fill(scope)
    return replace(piece, spans=data.SerializeToString(), span_ids=tuple(room.kept), has_root=room.has_root)


class _Room:
    """How many roots and other spans may still be kept; the ids of those that were."""

    def __init__(self, roots: int, others: int) -> None:
        self._roots = roots
        self._others = others
        self.kept: list[bytes] = []
        self.has_root = roots > 0

    def fill(self, scope: ScopeSpans) -> None:
        """Leave out of a scope what does not fit."""
        kept = [span for span in scope.spans if self._takes(is_root=not span.parent_span_id)]
        self.kept += [span.span_id for span in kept]
        del scope.spans[:]
        scope.spans.extend(kept)

    def _takes(self, *, is_root: bool) -> bool:
        if is_root:
            self._roots -= 1
            return self._roots >= 0
        self._others -= 1
        return self._others >= 0
