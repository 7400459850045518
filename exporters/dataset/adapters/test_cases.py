"""Asks your app every case of ``cases.jsonl`` and fails where its answer does not meet what the case expects.

    SIDECHECK_APP=module:function pytest test_cases.py

``call_app.py`` says what the function is given and what it gives back, ``scorer.py`` what each expectation means. This
file holds nothing of a case: export again after new ones were reviewed.
"""

import json
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from call_app import call_app  # noqa: E402 -- it stands beside this file, wherever pytest runs
from scorer import score  # noqa: E402 -- as above


def _cases():
    # One case a line, and a line ends with "\n" alone: production text holds other characters that end lines.
    with (HERE / "cases.jsonl").open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


CASES = _cases()


@pytest.mark.skipif(not os.environ.get("SIDECHECK_APP"), reason="SIDECHECK_APP=module:function is not set")
@pytest.mark.parametrize("case", CASES, ids=[ascii(case["id"])[1:-1] for case in CASES])
def test_case(case):
    """The app's answer meets what the case expects."""
    failures = score(case, *call_app(case))
    assert not failures, "\n".join(f"{failure['expectation']}: {failure['message']}" for failure in failures)
