"""Runs Braintrust's ``Eval`` over the dataset, sending nothing.

Arguments: the result file, the folder of the export, and ``run`` where both apps are to be run, too.
"""

import json
import os
import sys
from pathlib import Path

from app import APPS

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)

import braintrust_eval  # noqa: E402 -- it is in the folder of the export
from braintrust import Eval  # noqa: E402 -- as above
from braintrust.logger import validate_tags  # noqa: E402 -- as above: what ``dataset.insert`` refuses tags by
from judge import rows  # noqa: E402 -- as above

seen = []


def look(input, hooks):  # noqa: A002 -- Braintrust calls it so
    """No answer, but what a task is given of a row."""
    seen.append({"input": input, "expected": hooks.expected, "metadata": hooks.metadata, "tags": list(hooks.tags)})


def run(task, **more):
    return Eval("sidecheck", data=rows("braintrust.jsonl"), task=task, no_send_logs=True, **more).results


def judged(app):
    """Case id -> score of its answer, and the error that it ended with."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    found = run(braintrust_eval.task, scores=[braintrust_eval.expectations])
    return {r.metadata["caseId"]: [r.scores["expectations"], str(r.error or "")] for r in found}


for row in rows("braintrust.jsonl"):
    validate_tags(row["tags"])
run(look, scores=[])
told = {"seen": seen, "verdicts": {app: judged(app) for app in APPS} if what else {}}
Path(result).write_text(json.dumps(told), encoding="utf-8")
