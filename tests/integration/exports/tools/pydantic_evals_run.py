"""Loads the dataset by Pydantic Evals' own loader and evaluates both apps as ``pydantic_evals_eval.py`` does.

Arguments: the result file, the folder of the export, and ``run`` where both apps are to be run, too.
"""

import json
import os
import sys
from pathlib import Path

from app import APPS

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)

import pydantic_evals_eval as exported  # noqa: E402 -- it is in the folder of the export


def judged(app):
    """Name of a case -> its assertions."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    report = exported.dataset().evaluate_sync(exported.task, progress=False)
    assert not report.failures, report.failures
    found = {case.name: {name: a.value for name, a in case.assertions.items()} for case in report.cases}
    assert set(exported.failed(report)) == {name for name, parts in found.items() if not all(parts.values())}
    return found


told = {
    "cases": [
        {"name": c.name, "inputs": c.inputs, "metadata": c.metadata, "expected_output": c.expected_output}
        for c in exported.dataset().cases
    ],
    "verdicts": {app: judged(app) for app in (APPS if what else ["bad"])},
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
