"""The samples of ``inspect.jsonl`` as a task of Inspect AI, judged by what each case demands.

    inspect eval inspect_task.py --model openai/gpt-4o
    SIDECHECK_APP=module:function inspect eval inspect_task.py --model none

The first asks a model, the second your app.
"""

import asyncio
import os
import sys
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import CORRECT, INCORRECT, Score, accuracy, scorer, stderr
from inspect_ai.solver import generate, solver

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from judge import answer, failures  # noqa: E402 -- it stands beside this file, wherever Inspect runs
from scorer import text_of  # noqa: E402 -- as above


@task
def cases():
    """Every case, asked and judged."""
    asked = app() if os.environ.get("SIDECHECK_APP") else generate()
    return Task(dataset=json_dataset(str(HERE / "inspect.jsonl")), solver=asked, scorer=expectations())


@solver
def app():
    """Asks the app that SIDECHECK_APP names."""

    async def solve(state, generate):  # noqa: ARG001 -- every solver is given it
        inputs = {"question": state.input_text, "context": state.metadata["context"]}
        answered = await asyncio.to_thread(answer, inputs)
        state.store.set("answered", answered)
        state.output = ModelOutput.from_content("app", text_of(answered["output"]))
        return state

    return solve


@scorer(metrics=[accuracy(), stderr()])
def expectations():
    """Correct where all holds that the case demands; the explanation says what does not."""

    async def judge(state, target):  # noqa: ARG001 -- every scorer is given it
        answered = state.store.get("answered") or _of_model(state)
        failed = failures({"context": state.metadata["context"]}, state.metadata, answered)
        return Score(
            value=INCORRECT if failed else CORRECT, answer=state.output.completion, explanation="\n".join(failed)
        )

    return judge


def _of_model(state):
    calls = [call for message in state.messages for call in getattr(message, "tool_calls", None) or ()]
    seconds = state.output.time
    return {
        "output": state.output.completion,
        "toolCalls": [{"name": call.function, "arguments": call.arguments} for call in calls],
        "latencyMs": None if seconds is None else seconds * 1000,
    }
