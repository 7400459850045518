"""Judges what the answer cost: all model calls of the trace together, in dollars.

Does not know prices: each call comes with its cost, or without one where its model has no price or its tokens were not
recorded. A sum with such calls in it is the least that the trace cost, and is judged as that.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from checks.check import CheckInfo, OptionError
from checks.finding import Evidence, Finding
from checks.interaction import Interaction


@dataclass(frozen=True, slots=True)
class Cost:
    """The model calls of the trace cost no more than was set aside for it.

    Attributes:
        max_trace: Most dollars for all model calls of a trace.
    """

    max_trace: float = 1.0

    info: ClassVar[CheckInfo] = CheckInfo(
        name="cost",
        version="1",
        summary="The model calls of the trace cost no more than its budget.",
        codes={"over_budget": "All model calls together cost more than `max_trace`."},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.max_trace < math.inf:  # false for NaN too
            raise OptionError("max_trace", f"{self.max_trace!r} is no budget: dollars, 0 or more")

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether a model call has a cost."""
        return any(call.cost is not None for call in interaction.model_calls)

    def inspect(self, interaction: Interaction) -> Iterator[Finding]:
        """Yield one finding, at the call that cost most, where the budget was not kept."""
        priced = [(call.cost, call.span_id) for call in interaction.model_calls if call.cost is not None]
        spent = math.fsum(cost for cost, _ in priced)
        if spent > self.max_trace and not math.isclose(spent, self.max_trace):  # three times 0.1 is more than 0.3
            least = "" if len(priced) == len(interaction.model_calls) else "at least "
            message = f"the model calls cost {least}${spent:.4g}, the budget is ${self.max_trace:.4g}"
            yield Finding("over_budget", message, evidence=(Evidence(span_id=max(priced)[1]),))
