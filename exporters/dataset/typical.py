"""Typical cases: a sample of the traces on which every check was content, and what must hold when they run again.

The answer and the tool calls of such a trace are taken for good ones: a reviewer confirms them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from checks.interaction import Interaction, ToolCall
from checks.plan import PlannedCheck
from checks.report import Outcome, Report
from checks.selection import Selection
from checks.trace import CloseReason
from exporters.dataset.case import Expectation
from exporters.dataset.expectations import expect
from exporters.dataset.plain import plain

_BAD = frozenset({Outcome.FAILED, Outcome.ERRORED, Outcome.TIMED_OUT})
_COMPLETE = frozenset({CloseReason.ROOT_SEEN, CloseReason.IDLE})
MOST_TOOL_CALLS = 20
"""Of a trace with more, none is demanded: so long a path is hardly taken twice."""


def is_typical(report: Report, rate: float) -> bool:
    """Whether the trace is in the sample and good enough to be an example: whole, answered, judged, and nothing wrong.

    Drawn by the trace's id alone, as the sample of a check is.
    """
    if rate <= 0 or not Selection(sample=rate).samples(report.interaction.trace_id):
        return False
    outcomes = {verdict.outcome for verdict in report.verdicts}
    return Outcome.PASSED in outcomes and not outcomes & _BAD and _is_whole(report.interaction)


def expect_again(report: Report, plan: Sequence[PlannedCheck]) -> tuple[Expectation, tuple[str, ...]]:
    """What held, to hold again, as ``expect`` gives it: the checks that passed, the answer, the tool calls as made."""
    interaction = report.interaction
    passed = [verdict for verdict in report.verdicts if verdict.outcome is Outcome.PASSED]
    expectation, broken = expect(passed, interaction, plan)
    calls = interaction.tool_calls if len(interaction.tool_calls) <= MOST_TOOL_CALLS else ()
    made = [_as_made(call) for call in calls if call.name and call.error is None]
    once = tuple(call for n, call in enumerate(made) if call not in made[:n])
    return replace(expectation, answer=interaction.final_output, expected_tool_calls=once), broken


def _is_whole(interaction: Interaction) -> bool:
    texts = (interaction.user_input, interaction.final_output)
    is_said = all(text and text.strip() for text in texts)
    trace = interaction.trace
    # A root with a parent elsewhere (a gateway's span) is no fault of the app's.
    return is_said and interaction.error is None and not trace.truncated and trace.closed_by in _COMPLETE


def _as_made(call: ToolCall) -> Mapping[str, Any]:
    """Name and arguments; arguments that did not parse are no demand."""
    arguments = plain(call.arguments)
    return {"name": call.name, "arguments": arguments if isinstance(arguments, dict) else {}}
