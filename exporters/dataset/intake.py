"""Reading cases that people wrote: lines of JSON in the public shape, each either a case or a problem that is named.

A line may leave out everything but what was asked. Strict where ``shape`` is lenient: a key that no case has would
be lost without a word, and most such keys are misspelt ones.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.formats.jsonl import line as as_line
from exporters.dataset.formats.jsonl import read_line
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.dataset.shape import ShapeError, from_json, to_json

LINE_BYTES = 5 * 1024 * 1024
"""The longest line; a case that sidecheck makes has half a million characters at most."""
_ID = re.compile(r"\w[\w.:@+-]{0,199}")
_ID_RULE = "must be 1 to 200 letters, digits and . : @ + - _ and begin with a letter or a digit"
_BOM = b"\xef\xbb\xbf"

Gate = Callable[[Case], Case]
"""Lets a case into the dataset, as it is or changed.

Raises ``RedactionFailed`` for one that must not get in, ``RedactionUnavailable`` for one that could not be looked at,
``ShapeError`` for one that demands what nobody can meet.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line was refused: its number, the key, and the rule that the key breaks.

    Quotes nothing of the line but what is wrong in a schema.
    """

    line: int
    key: str
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Line:
    """A case, the number of its line and how many bytes that has."""

    number: int
    case: Case
    size: int


def read(source: IO[bytes], gate: Gate | None = None) -> Iterator[Line | Problem]:
    """The cases and the problems of a file, line by line; empty lines are passed over.

    A case that names no id gets one made of its input and context: its expectation can be changed, and it is the same.

    Args:
        source: UTF-8, open for reading bytes. No more than a line is held in memory.
        gate: what each case has to pass.
    """
    seen: dict[str, int] = {}
    for number, text in enumerate(_lines(source), 1):
        if not text.strip():
            continue
        try:
            case = _case(text)
            _check_new(case.id, seen)
            seen[case.id] = number
            yield Line(number, gate(case) if gate else case, len(text))
        except ShapeError as error:
            yield Problem(number, error.key, str(error).removeprefix(f"{error.key}: "))
        except (RedactionFailed, RedactionUnavailable) as error:
            yield Problem(number, "case", str(error))


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, as much as shows that it is."""
    first = True
    while text := source.readline(LINE_BYTES + 1):
        rest = text
        while len(rest) > LINE_BYTES and not rest.endswith(b"\n"):
            rest = source.readline(LINE_BYTES + 1)
        yield text.removeprefix(_BOM) if first else text
        first = False


def _case(text: bytes) -> Case:
    if len(text) > LINE_BYTES:
        raise ShapeError("case", f"must be at most {LINE_BYTES} bytes long")
    document = _parsed(text)
    _check_keys(document)
    if document.get("id") is None:
        document = {**document, "id": _made_id(from_json({**document, "id": "new"}))}
    case = from_json(document)
    if not _ID.fullmatch(case.id):
        raise ShapeError("id", _ID_RULE)
    return read_line(as_line(case))  # as it will be written, so that it is the same when it comes again


def _check_new(case_id: str, seen: Mapping[str, int]) -> None:
    if case_id in seen:
        raise ShapeError("id", f"is that of line {seen[case_id]}, too; every case has its own")


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ShapeError("case", "must be one JSON object in UTF-8")
    return document


def _refuse(_constant: str) -> Any:
    raise ValueError  # NaN and Infinity are no JSON


def _made_id(case: Case) -> str:
    if not case.input:
        raise ShapeError("input", "must be there where there is no id: one is made of it")
    asked = {key: value for key, value in to_json(case).items() if key in ("input", "context")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    return f"case-{digest.hexdigest()[:12]}"


def _keys() -> dict[str, frozenset[str]]:
    """The keys of a case and of its sections, as they are written."""
    shape = to_json(Case("", "", Source("", ""), None, Context(), None, Expectation()))
    sections = {name: frozenset(shape[name]) for name in ("context", "expected", "metadata")}
    return {"": frozenset(shape), **sections}


KEYS = _keys()


def _check_keys(document: Mapping[str, Any]) -> None:
    for section, known in KEYS.items():
        part = document.get(section) if section else document
        unknown = next((key for key in part if key not in known), None) if isinstance(part, dict) else None
        if unknown is not None:
            place = f"{section}.{unknown}" if section else unknown
            keys = ", ".join(sorted(known))
            raise ShapeError(place[:80], f"is no key of a case; there are {keys}")
