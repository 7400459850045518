r"""``cases.jsonl``: one case a line, in the public shape. The format that loses nothing and that is read back.

UTF-8 without a byte order mark, ``\n`` after every line, no NaN. Characters that end a line for some readers
(``str.splitlines`` and JavaScript take more than ``\n``) or that steer a terminal or the direction of writing are
written as JSON escapes: the text is the same, the file is safe to split, to print and to look at in a diff.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.shape import ShapeError, from_json, to_json

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""DEL and the C1 controls (U+0085 ends a line, U+009B starts a terminal sequence), line separators, bidi controls."""


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
    text = json.dumps(to_json(case), ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda c: f"\\u{ord(c[0]):04x}", text).encode() + b"\n"


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


FORMAT = Format("jsonl", "sidecheck", (DatasetFile("cases.jsonl", "application/jsonl", write),))
"""The ``jsonl`` format."""
