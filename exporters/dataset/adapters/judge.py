"""What the runners of eval tools call: the rows of a file beside this one, the app's answer to one, and its failures.

A row keeps a case's input under ``question`` and ``context``, and what is demanded as one flat object.
"""

import json
from pathlib import Path

from call_app import call_app
from scorer import score


def rows(name):
    """The rows of a JSONL file beside this one. Its texts may hold what other ways to split lines take for an end."""
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def answer(inputs):
    """The app's answer, as tools keep it: ``output``, ``toolCalls`` (``None``: those in the output), ``latencyMs``."""
    output, tool_calls, latency_ms = call_app({"input": inputs["question"], "context": inputs["context"]})
    return {"output": output, "toolCalls": tool_calls, "latencyMs": latency_ms}


def failures(inputs, demands, answered):
    """What the answer fails to meet, as sentences; an empty list: it passed. No answer at all is one failure."""
    if not isinstance(answered, dict) or "latencyMs" not in answered:
        return ["the app gave no answer"]
    case = {"context": inputs["context"], "expected": demands, **demands}
    found = score(case, answered["output"], answered["toolCalls"], answered["latencyMs"])
    return [f"{failure['expectation']}: {failure['message']}" for failure in found]
