"""Uploads ``phoenix.jsonl`` to Phoenix, runs your app on every example and judges the answers.

    SIDECHECK_APP=module:function PHOENIX_COLLECTOR_ENDPOINT=http://127.0.0.1:6006 python phoenix_eval.py

The dataset is named by ``SIDECHECK_DATASET`` (``sidecheck``). Uploading again updates the examples.
"""

import os

from judge import answer, failures, rows
from phoenix.client import Client


def task(input):
    """The app's answer."""
    return answer(input)


def expectations(input, output, expected):
    """Whether the answer meets what the case expects, and what it fails."""
    failed = failures(input, expected, output)
    return {"score": float(not failed), "label": "failed" if failed else "passed", "explanation": "; ".join(failed)}


if __name__ == "__main__":
    client = Client()
    dataset = client.datasets.create_dataset(
        name=os.environ.get("SIDECHECK_DATASET", "sidecheck"), examples=rows("phoenix.jsonl"), timeout=60
    )
    client.experiments.run_experiment(dataset=dataset, task=task, evaluators={"expectations": expectations})
