"""Feeds the dataset to LangSmith's SDK and runs the evaluator, with a stub in place of the service.

Arguments: the result file, the folder of the export, and ``run`` where both apps are to be run, too.
"""

import json
import os
import sys
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from app import APPS
from stub import Stub

result, folder, *what = sys.argv[1:]
sys.path.insert(0, folder)
DATASET = {
    "id": str(uuid.UUID(int=1)),
    "name": "sidecheck",
    "created_at": "2026-11-25T00:00:00Z",
    "data_type": "kv",
    "example_count": 0,
    "session_count": 0,
}
FLAGS = {"dataset_examples_multipart_enabled": True}
examples, updated, datasets, sessions = {}, [], [], {}


def made_dataset(_, body):
    datasets.append({**DATASET, **body, "id": DATASET["id"]})
    return 200, datasets[-1]


def stored(_, body):
    for name, value in body.items():
        example_id, _, part = name.partition(".")
        if example_id in examples and not part:
            updated.append(example_id)
        example = examples.setdefault(example_id, {"id": example_id, "dataset_id": DATASET["id"]})
        example.update({part: value} if part else {k: v for k, v in value.items() if k != "id"})
    return 201, {"example_ids": list(examples), "count": len(examples)}


def session(_, body):
    sessions.update(body, tenant_id=DATASET["id"])
    return 200, sessions


def listed(match, _):
    offset = int(parse_qs(urlparse(match[0]).query).get("offset", ["0"])[0])
    return 200, [] if offset else list(examples.values())


stub = Stub(
    [
        ("GET", "/info", lambda *_: (200, {"version": "1", "instance_flags": FLAGS})),
        ("GET", r"/datasets\?.*", lambda *_: (200, datasets)),
        ("POST", "/datasets", made_dataset),
        ("POST", ".*/platform/datasets/.*/examples", stored),
        ("PATCH", ".*/platform/datasets/.*/examples", stored),
        ("GET", r"/examples\?.*", listed),
        ("POST", "/sessions", session),
        ("PATCH", "/sessions/.*", session),
    ]
)
os.environ.update(LANGSMITH_ENDPOINT=stub.url, LANGSMITH_API_KEY="none", LANGSMITH_TRACING="false")

import langsmith_eval  # noqa: E402 -- it is in the folder of the export
from langsmith import Client  # noqa: E402 -- reads the environment


def judged(app):
    """Case id -> score and comment of its answer."""
    os.environ["SIDECHECK_APP"] = f"app:{app}"
    run = client.evaluate(langsmith_eval.task, data="sidecheck", evaluators=[langsmith_eval.expectations])
    found = {row["example"].metadata["caseId"]: row["evaluation_results"]["results"][0] for row in run}
    return {case_id: [result.score, result.comment] for case_id, result in found.items()}


client = Client()
langsmith_eval.upload(client, "sidecheck")
first = len(updated)
langsmith_eval.upload(client, "sidecheck")
told = {
    "examples": list(examples.values()),
    "updated_by_first_upload": first,
    "updated_by_second_upload": len(updated) - first,
    "verdicts": {app: judged(app) for app in APPS} if what else {},
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
