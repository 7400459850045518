"""Feeds the dataset to Langfuse's SDK and runs the evaluator, with a stub in place of the service.

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
TIMES = {"createdAt": "2026-11-25T00:00:00Z", "updatedAt": "2026-11-25T00:00:00Z"}
DATASET = {"id": "1", "name": "sidecheck", "projectId": "1", "metadata": {}, **TIMES}
items = {}


def stored(_, body):
    rest = {"datasetName": "sidecheck", "datasetId": "1", "status": "ACTIVE", "mediaReferences": [], **TIMES}
    items[body["id"]] = {**rest, **{key: value for key, value in body.items() if value is not None}}
    return 200, items[body["id"]]


def listed(*_):
    meta = {"page": 1, "limit": 50, "totalItems": len(items), "totalPages": 1}
    return 200, {"data": list(items.values()), "meta": meta}


stub = Stub(
    [
        ("POST", "/api/public/(v2/)?datasets", lambda *_: (200, DATASET)),
        ("GET", "/api/public/v2/datasets/.*", lambda *_: (200, DATASET)),
        ("POST", "/api/public/dataset-items", stored),
        ("GET", r"/api/public/dataset-items\?.*", listed),
    ]
)
os.environ.update(LANGFUSE_BASE_URL=stub.url, LANGFUSE_PUBLIC_KEY="none", LANGFUSE_SECRET_KEY="none")

import langfuse_eval  # noqa: E402 -- it is in the folder of the export
from langfuse import Langfuse  # noqa: E402 -- reads the environment


def judged(app):
    """Case id -> score and comment of its answer."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    run = client.get_dataset("sidecheck").run_experiment(
        name="sidecheck", task=langfuse_eval.task, evaluators=[langfuse_eval.expectations]
    )
    found = {result.item.metadata["caseId"]: result.evaluations[0] for result in run.item_results}
    return {case_id: [evaluation.value, evaluation.comment] for case_id, evaluation in found.items()}


client = Langfuse()
langfuse_eval.upload(client, "sidecheck")
langfuse_eval.upload(client, "sidecheck")
told = {"items": list(items.values()), "verdicts": {app: judged(app) for app in APPS} if what else {}}
client.shutdown()
Path(result).write_text(json.dumps(told), encoding="utf-8")
