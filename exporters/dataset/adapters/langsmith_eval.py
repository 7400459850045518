"""Uploads ``langsmith.jsonl`` to LangSmith, runs your app on every example and judges the answers.

    SIDECHECK_APP=module:function LANGSMITH_API_KEY=... python langsmith_eval.py

The dataset is named by ``SIDECHECK_DATASET`` (``sidecheck``). Uploading again updates the examples.
"""

import os

from judge import answer, failures, rows
from langsmith import Client


def task(inputs: dict) -> dict:
    """The app's answer."""
    return answer(inputs)


def expectations(inputs: dict, outputs: dict, reference_outputs: dict) -> dict:
    """Whether the answer meets what the case expects, and what it fails."""
    failed = failures(inputs, reference_outputs, outputs)
    return {"key": "expectations", "score": int(not failed), "comment": "; ".join(failed)}


def upload(client, name):
    """Make the dataset and its examples, or bring them up to date."""
    examples = rows("langsmith.jsonl")
    exists = client.has_dataset(dataset_name=name)
    dataset = client.read_dataset(dataset_name=name) if exists else client.create_dataset(name)
    known = {str(example.id) for example in client.list_examples(dataset_id=dataset.id)} if exists else set()
    new = [example for example in examples if example["id"] not in known]
    old = [example for example in examples if example["id"] in known]
    if new:
        client.create_examples(dataset_id=dataset.id, examples=new)
    if old:
        client.update_examples(dataset_id=dataset.id, updates=old)


if __name__ == "__main__":
    dataset_name = os.environ.get("SIDECHECK_DATASET", "sidecheck")
    langsmith = Client()
    upload(langsmith, dataset_name)
    langsmith.evaluate(task, data=dataset_name, evaluators=[expectations])
