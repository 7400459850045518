"""``cases.jsonl``: one case a line, in the public shape. The format that loses nothing and that is read back."""

import json
from collections.abc import Iterable
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text, write_lines
from exporters.dataset.shape import ShapeError, from_json, to_json


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one line for each case."""
    return write_lines(map(to_json, cases), out)


def line(case: Case) -> bytes:
    """The case's line, with its line end. The same case gives the same bytes."""
    return json_text(to_json(case)).encode() + b"\n"


def read_line(text: str | bytes) -> Case:
    """The case that a line holds.

    Raises:
        ShapeError: it is no JSON, or not the shape of a case.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ShapeError("case", "must be one JSON object in UTF-8") from None
    return from_json(document)


CASES = DatasetFile("cases.jsonl", "application/jsonl", write)
"""The file, for formats that need it beside theirs."""
FORMAT = Format("jsonl", "sidecheck", (CASES,))
"""The ``jsonl`` format."""
