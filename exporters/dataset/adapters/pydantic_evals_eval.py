"""Runs your app on every case of ``pydantic-evals.yaml`` and judges the answers; exit code 1 where some failed.

SIDECHECK_APP=module:function python pydantic_evals_eval.py
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge import answer, failures
from pydantic_evals import Dataset, set_eval_attribute
from pydantic_evals.evaluators import EvaluationReason, Evaluator
from scorer import text_of, tool_calls_of


class Answer(str):
    """A text that equals the JSON value which it is, so that ``EqualsExpected`` takes it for one."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        """Whether it is this text, or JSON of this value."""
        try:
            return str.__eq__(self, other) is True or json.loads(self) == other
        except (ValueError, RecursionError):
            return False


@dataclass
class Expectations(Evaluator):
    """Whether everything holds that the case demands; the reason says what does not."""

    def evaluate(self, ctx):
        """Judge one answer."""
        calls = ctx.attributes.get("toolCalls")
        answered = {"output": ctx.output, "toolCalls": calls, "latencyMs": ctx.duration * 1000}
        failed = failures(ctx.inputs, ctx.metadata, answered)
        return EvaluationReason(value=not failed, reason="\n".join(failed) or None)


async def task(inputs):
    """The app's answer; its tool calls become an attribute."""
    answered = await asyncio.to_thread(answer, inputs)
    output, calls = answered["output"], answered["toolCalls"]
    calls = tool_calls_of(output) if calls is None else calls
    set_eval_attribute("toolCalls", calls)
    is_value = not isinstance(output, str) and not calls and output is not None
    return output if is_value else Answer(text_of(output))


def dataset():
    """The cases, each with its own evaluators and ours."""
    loaded = Dataset[Any, Any, Any].from_file(Path(__file__).resolve().parent / "pydantic-evals.yaml")
    loaded.add_evaluator(Expectations())
    return loaded


def failed(report):
    """The names of the cases that failed, or whose task did."""
    wrong = [case.name for case in report.cases if not all(a.value for a in case.assertions.values())]
    return wrong + [failure.name for failure in report.failures]


if __name__ == "__main__":
    result = dataset().evaluate_sync(task)
    result.print(include_reasons=True)
    sys.exit(bool(failed(result)))
