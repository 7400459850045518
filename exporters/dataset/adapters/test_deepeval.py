"""Runs your app on every golden of ``deepeval.json`` and judges the answers by DeepEval's metrics and the scorer.

    SIDECHECK_APP=module:function deepeval test run test_deepeval.py

or with plain pytest. No metric asks a model. ToolCorrectness (by name: with arguments it refuses those that the case
does not name) and ToolPermission are DeepEval's own; ``Expectations`` judges everything that the case demands.
"""

import os
import sys
from pathlib import Path

import pytest
from deepeval import assert_test
from deepeval.dataset import EvaluationDataset
from deepeval.metrics import BaseMetric, ToolCorrectnessMetric, ToolPermissionMetric
from deepeval.test_case import LLMTestCase, ToolCall

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from judge import answer, failures  # noqa: E402 -- it stands beside this file, wherever pytest runs
from scorer import text_of, tool_calls_of  # noqa: E402 -- as above

# ToolCorrectness wants a key even where it asks no model.
os.environ.setdefault("OPENAI_API_KEY", "not-used")


class Expectations(BaseMetric):
    """What the case demands, judged by scorer.py: 1 if all of it holds, else 0."""

    threshold = 1.0
    async_mode = False
    include_reason = True
    evaluation_model = None

    def __init__(self, golden, answered):
        self.golden, self.answered = golden, answered

    def measure(self, test_case, *_args, **_options):  # noqa: ARG002 -- every metric is given it
        """Judge; the reason says what failed."""
        kept = self.golden.additional_metadata
        failed = failures({"context": kept["context"]}, kept, self.answered)
        self.score, self.reason, self.success = float(not failed), "\n".join(failed), not failed
        return self.score

    async def a_measure(self, test_case, *args, **options):
        """As ``measure``: nothing is waited for."""
        return self.measure(test_case, *args, **options)

    def is_successful(self):
        """Whether all of it held."""
        return self.success

    @property
    def __name__(self):
        """The metric's name in DeepEval's tables."""
        return "Expectations"


def goldens():
    """The goldens of deepeval.json."""
    dataset = EvaluationDataset()
    dataset.add_goldens_from_json_file(file_path=str(HERE / "deepeval.json"))
    return dataset.goldens


def judged(golden):
    """The test case of a golden, filled by the app, and the metrics that judge it."""
    kept = golden.additional_metadata
    answered = answer({"question": golden.input, "context": kept["context"]})
    output, calls = answered["output"], answered["toolCalls"]
    calls = tool_calls_of(output) if calls is None else calls
    test_case = LLMTestCase(
        name=golden.name,
        input=golden.input,
        actual_output=text_of(output),
        expected_output=golden.expected_output,
        context=golden.context,
        expected_tools=golden.expected_tools,
        tools_called=[ToolCall(name=c["name"], input_parameters=_object(c.get("arguments"))) for c in calls],
    )
    return test_case, [*_native(golden, kept), Expectations(golden, answered)]


def _object(arguments):
    return arguments if isinstance(arguments, dict) else None


def _native(golden, demands):
    if golden.expected_tools:
        yield ToolCorrectnessMetric(threshold=1, async_mode=False)
    denied = demands.get("forbiddenToolCalls")
    if denied:
        yield ToolPermissionMetric(denied_tools=denied)


if not os.environ.get("SIDECHECK_APP"):
    pytest.skip("SIDECHECK_APP=module:function is not set", allow_module_level=True)
GOLDENS = goldens()


@pytest.mark.parametrize("golden", GOLDENS, ids=[ascii(golden.name)[1:-1] for golden in GOLDENS])
def test_golden(golden):
    """The app's answer meets what the case expects."""
    test_case, metrics = judged(golden)
    assert_test(test_case, metrics, run_async=False)
