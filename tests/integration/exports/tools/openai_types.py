"""Validates the files against the types of OpenAI's SDK, and runs the graders over the items as the service would.

Arguments: the result file, and the folder of the export. It gives, by case id, the graders that a good and a bad
answer fail.
"""

import json
import sys
from pathlib import Path

from app import ANSWERS
from openai.types.eval_create_params import EvalCreateParams
from openai.types.evals.create_eval_jsonl_run_data_source_param import CreateEvalJSONLRunDataSourceParam
from pydantic import TypeAdapter

result, folder = sys.argv[1], Path(sys.argv[2])


def lines(name):
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").split("\n") if line]


def checked(kind, value):
    """The value as the type has it; what the type leaves for later is gone through."""
    return json.loads(json.dumps(TypeAdapter(kind).validate_python(value), default=list))


def sample(answer):
    """What the service gives a grader of a model's answer."""
    output, calls = answer if isinstance(answer, tuple) else (answer, [])
    tools = [
        {"type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["arguments"])}} for c in calls
    ]
    return {"output_text": output if isinstance(output, str) else json.dumps(output), "output_tools": tools}


def failed(item, answer):
    """The graders that do not give the answer their pass."""
    return [c["name"] for c in criteria if graders[c["name"]](sample(answer), item) < c["pass_threshold"]]


document = json.loads((folder / "openai-evals.eval.json").read_text(encoding="utf-8"))
criteria = document["testing_criteria"]
rows = lines("openai-evals.jsonl")
graders = {}
for criterion in criteria:
    scope = {"__name__": "grader"}
    exec(compile(criterion["source"], criterion["name"], "exec"), scope)
    graders[criterion["name"]] = scope["grade"]
bad = ("60 days.", [{"name": "issue_refund", "arguments": {}}])
told = {
    "eval": checked(EvalCreateParams, document) == document,
    "source": checked(
        CreateEvalJSONLRunDataSourceParam, {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    )["source"]["content"]
    == rows,
    "items": [row["item"] for row in rows],
    "legacy": lines("openai-evals-legacy.jsonl"),
    "good": {r["item"]["id"]: failed(r["item"], ANSWERS.get(r["item"]["input"], "I do not know.")) for r in rows},
    "bad": {r["item"]["id"]: failed(r["item"], bad) for r in rows},
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
