"""Runs your app on every row of ``braintrust.jsonl`` and judges the answers.

    SIDECHECK_APP=module:function BRAINTRUST_API_KEY=... python braintrust_eval.py

The project is named by ``SIDECHECK_DATASET`` (``sidecheck``). With ``--local`` nothing is sent to Braintrust.
"""

import asyncio
import os
import sys

from braintrust import Eval, Score
from judge import answer, failures, rows


async def task(input):
    """The app's answer."""
    return await asyncio.to_thread(answer, input)


def expectations(input, output, expected):
    """Whether the answer meets what the case expects, and what it fails."""
    failed = failures(input, expected, output)
    return Score(name="expectations", score=float(not failed), metadata={"failures": failed})


if __name__ == "__main__":
    Eval(
        os.environ.get("SIDECHECK_DATASET", "sidecheck"),
        data=rows("braintrust.jsonl"),
        task=task,
        scores=[expectations],
        no_send_logs="--local" in sys.argv,
    )
