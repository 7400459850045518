"""What the model calls of a trace cost, as the store keeps it beside the telemetry.

It is the one part of a trace's view that its telemetry does not hold: prices change, and a trace cost what it cost when
it was judged. Earlier versions kept the whole view in its place, which is read as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from exporters import codec
from exporters.record import CallFacts

Costs = tuple[float | None, ...]
"""Dollars of each model call in order of time, ``None`` of one that has no price; empty where none has."""

NO_VIEW = b"{}"
"""Of a trace that cannot be read: its view is made once for all, and holds nothing."""
_KEY = "costs"  # no view has such a key
_UNPRICED = b'{"costs":[]}'


def to_part(calls: Sequence[CallFacts]) -> bytes:
    """The costs of these calls as a part of what is kept of their trace."""
    costs = [call.cost for call in calls]
    return codec.to_json({_KEY: costs}).encode() if costs.count(None) < len(costs) else _UNPRICED


def from_part(part: bytes) -> tuple[Mapping[str, Any] | None, Costs]:
    """The view that an earlier version kept, ``None`` where none is kept; and the costs where they are."""
    kept = codec.from_json(part)
    costs = kept.get(_KEY)
    return (kept, ()) if costs is None else (None, tuple(costs))
