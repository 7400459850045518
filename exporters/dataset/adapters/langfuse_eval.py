"""Uploads ``langfuse.jsonl`` to Langfuse, runs your app on every item and judges the answers.

    SIDECHECK_APP=module:function LANGFUSE_PUBLIC_KEY=... LANGFUSE_SECRET_KEY=... python langfuse_eval.py

The dataset is named by ``SIDECHECK_DATASET`` (``sidecheck``). Uploading again updates the items.
"""

import asyncio
import os

from judge import answer, failures, rows
from langfuse import Evaluation, Langfuse


async def task(*, item, **_):
    """The app's answer."""
    return await asyncio.to_thread(answer, item.input)


def expectations(*, input, output, expected_output, **_):
    """Whether the answer meets what the case expects, and what it fails."""
    failed = failures(input, expected_output or {}, output)
    return Evaluation(name="expectations", value=float(not failed), comment="; ".join(failed))


def upload(client, name):
    """Make the dataset and its items, or bring them up to date."""
    client.create_dataset(name=name)
    for row in rows("langfuse.jsonl"):
        client.create_dataset_item(dataset_name=name, **row)


if __name__ == "__main__":
    dataset_name = os.environ.get("SIDECHECK_DATASET", "sidecheck")
    langfuse = Langfuse()
    upload(langfuse, dataset_name)
    dataset = langfuse.get_dataset(dataset_name)
    print(dataset.run_experiment(name=dataset_name, task=task, evaluators=[expectations]).format())
