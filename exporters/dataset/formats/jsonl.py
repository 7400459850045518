"""``cases.jsonl``: one case a line, in the public shape. The format that loses nothing and that is read back."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text
from exporters.dataset.shape import ShapeError, from_json, to_json

FORM = 1
"""The form of lines: another number from the version on that writes the same case as other bytes."""


@dataclass(frozen=True, slots=True)
class FrozenCase(Case):
    """A case with its line: this one is written, whatever became of the public shape since."""

    line: bytes = b""


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one line for each case."""
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007 -- the last number is the result
        out.write(line(case))
    return count


def line(case: Case) -> bytes:
    """The case's line, with its line end. The same case gives the same bytes."""
    if isinstance(case, FrozenCase):
        return case.line
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


def frozen(written: bytes) -> FrozenCase:
    """The case that a line holds, which is written as that very line.

    Raises:
        ShapeError: as ``read_line``.
    """
    case = read_line(written)
    return FrozenCase(**{field.name: getattr(case, field.name) for field in fields(Case)}, line=written)


CASES = DatasetFile("cases.jsonl", "application/jsonl", write)
"""The file, for formats that need it beside theirs."""
FORMAT = Format("jsonl", "sidecheck", (CASES,))
"""The ``jsonl`` format."""
