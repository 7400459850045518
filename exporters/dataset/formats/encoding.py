r"""Values as text that is safe to print, to split and to look at, whatever production put into them. Knows no format.

Characters that end a line for some readers (``str.splitlines`` and JavaScript take more than ``\n``), that steer a
terminal or the direction of writing, or that YAML does not allow, are written as JSON escapes: the text is the same
for whoever loads it. UTF-8 without a byte order mark, no NaN.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
"""DEL and the C1 controls (U+0085 ends a line, U+009B starts a terminal sequence), line separators, bidi controls."""
_PLAIN_KEY = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z][A-Za-z_-]*\Z", re.IGNORECASE)
"""Keys that are the same text in every YAML version without quotes."""
_LONGEST_KEY = 500
"""Characters of a YAML key that needs no ``?``: the limit is 1,024 (YAML 1.2, 7.4.2), and an escape takes six."""


class Block(str):
    """A text of several lines that YAML shows as such: our own code, never what production sent."""

    __slots__ = ()


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """The value as one line of JSON, without a line end."""
    text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    return _UNSAFE.sub(lambda c: f"\\u{ord(c[0]):04x}", text)


def write_lines(rows: Iterable[Any], out: IO[bytes], *, ascii_only: bool = False) -> int:
    """Write each value as a line of JSON, and return how many there were."""
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 -- the last number is the result
        out.write(json_text(row, ascii_only=ascii_only).encode() + b"\n")
    return count


def write_array(rows: Iterable[Any], out: IO[bytes]) -> int:
    """Write the values as one JSON array, each on a line of its own, and return how many there were."""
    count = 0
    for count, row in enumerate(rows, 1):
        out.write((b",\n" if count > 1 else b"[\n") + json_text(row).encode())
    out.write(b"\n]\n" if count else b"[]\n")
    return count


def yaml_item(value: Mapping[str, Any], indent: int = 0) -> str:
    """The mapping as one item of a YAML list. Every string is in double quotes, so that no YAML version misreads it."""
    lines = list(_lines(value, indent + 2))
    return " " * indent + "- " + "\n".join(lines).lstrip(" ") + "\n"


def _lines(value: Any, indent: int) -> Iterator[str]:
    """Block style; what is empty or a scalar is one line of flow style."""
    space = " " * indent
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{space}{_key(key, space)}:", item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            lines = list(_lines(item, indent + 2))
            yield f"{space}- {lines[0].lstrip(' ')}"
            yield from lines[1:]
    else:
        yield space + json_text(value)


def _entry(head: str, item: Any, indent: int) -> Iterator[str]:
    if isinstance(item, Block):
        yield f"{head} |-"
        yield from (f"{' ' * (indent + 2)}{line}".rstrip() for line in item.splitlines())
    elif isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from _lines(item, indent + 2)
    else:
        yield f"{head} {json_text(item)}"


def _key(key: str, space: str) -> str:
    if _PLAIN_KEY.match(key):
        return key
    return json_text(key) if len(key) <= _LONGEST_KEY / 3 else f"? {json_text(key)}\n{space}"
