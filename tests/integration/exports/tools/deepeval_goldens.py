"""Loads the goldens by DeepEval's own loader and judges both apps by the metrics of ``test_deepeval.py``.

Arguments: the result file, the folder of the export, and ``run`` where both apps are to be run, too.
"""

import json
import os
import sys
from pathlib import Path

from app import APPS

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)
os.environ["SIDECHECK_APP"] = "app:good"

import test_deepeval  # noqa: E402 -- it is in the folder of the export


def judged(app):
    """Name of a golden -> the metrics, and whether each is met."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    found = {}
    for golden in test_deepeval.goldens():
        test_case, metrics = test_deepeval.judged(golden)
        for metric in metrics:
            metric.measure(test_case)
        found[golden.name] = {metric.__name__: metric.is_successful() for metric in metrics}
    return found


told = {
    "goldens": [golden.model_dump(mode="json") for golden in test_deepeval.goldens()],
    "verdicts": {app: judged(app) for app in APPS} if what else {},
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
