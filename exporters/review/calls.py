"""The model calls of a trace as rows: which model, how many tokens, how long, at what cost. Knows no HTML.

Costs are those that the trace was judged with: prices may have changed since. The rest is read anew where the telemetry
is at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checks.interaction import Interaction


@dataclass(frozen=True, slots=True)
class Call:
    """One model call. ``cost`` in dollars; a part that is not known is ``None``, a cost also where there is no price.

    ``input`` includes ``cached`` tokens.
    """

    span_id: str
    model: str | None
    cost: float | None
    input: int | None = None
    cached: int | None = None
    output: int | None = None
    duration_ns: int | None = None


def of_trace(interaction: Interaction | None, view: Mapping[str, Any]) -> tuple[Call, ...]:
    """The model calls in order of time; of a trace that was not read those that have a cost.

    What an earlier version kept of their costs is in the ``view`` alone.
    """
    priced = (view.get("cost") or {}).get("calls", ())
    if interaction is None:
        return tuple(Call(one["span_id"], one.get("model"), one.get("dollars")) for one in priced)
    costs = {one["span_id"]: one.get("dollars") for one in priced}
    return tuple(
        Call(
            call.span_id,
            call.response_model or call.model,
            costs.get(call.span_id, call.cost),
            call.usage.input,
            call.usage.cached_input,
            call.usage.output,
            call.duration_ns,
        )
        for call in interaction.model_calls
    )
