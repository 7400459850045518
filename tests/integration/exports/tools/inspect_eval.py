"""Runs the task of ``inspect_task.py`` by Inspect's own ``eval``, and tells what became of every sample.

Arguments: the result file, the folder of the export, and ``run`` where both apps, and an answer that is made as a model
makes it, are to be judged, too.
"""

import json
import os
import sys
from pathlib import Path

from app import APPS
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import json_dataset
from inspect_ai.model import ChatMessageAssistant, ModelOutput
from inspect_ai.solver import solver
from inspect_ai.tool import ToolCall

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)

import inspect_task  # noqa: E402 -- it is in the folder of the export


@solver
def model():
    """Answers with text and a tool call, as a model does after its tools ran."""

    async def solve(state, generate):  # noqa: ARG001 -- every solver is given it
        call = ToolCall(id="1", function="cancel_order", arguments={"order_id": "A-1009"})
        state.messages.append(ChatMessageAssistant(content="", tool_calls=[call]))
        state.output = ModelOutput.from_content("canned", "30 days, see kb-7.")
        return state

    return solve


def judged(task):
    """Id of a sample -> whether it is correct."""
    [log] = evaluate(task, model=None, display="none", log_dir=str(Path(folder) / "logs"))
    assert log.status == "success", log.error
    return {sample.id: sample.scores["expectations"].value == "C" for sample in log.samples}


def of_app(app):
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    return judged(inspect_task.cases())


def of_model():
    return judged(Task(dataset=inspect_task.cases().dataset, solver=model(), scorer=inspect_task.expectations()))


os.environ["SIDECHECK_APP"] = "app:good"
told = {
    "samples": [s.model_dump(mode="json") for s in json_dataset(str(Path(folder) / "inspect.jsonl"))],
    "verdicts": {
        **{app: of_app(app) for app in (APPS if what else ["bad"])},
        **({"model": of_model()} if what else {}),
    },
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
