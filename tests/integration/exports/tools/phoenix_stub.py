"""Feeds the dataset to Phoenix's client and runs the evaluator, with a stub in place of the server.

Arguments: the result file, the folder of the export, and ``run`` where both apps are to be run, too.
"""

import json
import os
import sys
from pathlib import Path

from app import APPS
from stub import Stub

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)
TIME = "2026-11-25T00:00:00Z"
DATASET = {
    "id": "1",
    "name": "sidecheck",
    "description": None,
    "metadata": {},
    "example_count": 0,
    "created_at": TIME,
    "updated_at": TIME,
}
uploads = []


def uploaded(_, body):
    uploads.append(body)
    return 200, {"data": {"dataset_id": "1", "version_id": "1"}}


def examples(*_):
    sent = uploads[-1]
    held = [
        {"id": i, "node_id": i, "input": given, "output": wanted, "metadata": told, "updated_at": TIME}
        for i, given, wanted, told in zip(
            sent["example_ids"], sent["inputs"], sent["outputs"], sent["metadata"], strict=True
        )
    ]
    return 200, {"data": {"dataset_id": "1", "version_id": "1", "examples": held}}


stub = Stub(
    [
        ("POST", "/v1/datasets/upload.*", uploaded),
        ("GET", r"/v1/datasets\?.*", lambda *_: (200, {"data": [DATASET], "next_cursor": None})),
        ("GET", "/v1/datasets/1/examples.*", examples),
        ("GET", "/v1/datasets/[^/]+", lambda *_: (200, {"data": DATASET})),
        ("GET", "/arize_phoenix_version", lambda *_: (200, "20.26.0")),
    ]
)
os.environ.update(PHOENIX_COLLECTOR_ENDPOINT=stub.url)

import phoenix_eval  # noqa: E402 -- it is in the folder of the export
from judge import rows  # noqa: E402 -- as above
from phoenix.client import Client  # noqa: E402 -- reads the environment


def judged(app):
    """Case id -> score and explanation of its answer."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    run = client.experiments.run_experiment(
        dataset=dataset,
        task=phoenix_eval.task,
        evaluators={"expectations": phoenix_eval.expectations},
        dry_run=len(dataset),
        print_summary=False,
    )
    case_of = {task["id"]: task["dataset_example_id"] for task in run["task_runs"]}
    found = {case_of[evaluation.experiment_run_id]: evaluation.result for evaluation in run["evaluation_runs"]}
    return {case_id: [result["score"], result["explanation"]] for case_id, result in found.items()}


client = Client()
dataset = client.datasets.create_dataset(name="sidecheck", examples=rows("phoenix.jsonl"))
told = {"sent": uploads[-1], "verdicts": {app: judged(app) for app in APPS} if what else {}}
Path(result).write_text(json.dumps(told), encoding="utf-8")
