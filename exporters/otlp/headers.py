"""Headers of what is sent: those of the configuration, and those of a file that may change (a token that rotates)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporters.reread import Reread, text_of

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*([\x20-\x7e]+)")
"""A header's name and value (RFC 9110, section 5): what can stand in a request of either protocol."""


def read_headers(path: Path) -> dict[str, str]:
    """Headers out of a file, one ``name: value`` a line; empty lines and those that begin with # are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no header. The text names the line's number, not what it holds.
    """
    return _headers_in(text_of(path))


def _headers_in(text: str) -> dict[str, str]:
    return dict(_parsed(text))


def _parsed(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            raise ValueError(f"line {number} is no `name: value`")
        yield match[1].lower(), match[2]


class Headers:
    """The headers to send now. A file that breaks while it is in use is logged, and what it held before stays valid."""

    def __init__(self, fixed: Mapping[str, str], path: Path | None) -> None:
        self._fixed = {name.lower(): value for name, value in fixed.items()}
        self._file: Reread[dict[str, str]] | None = None
        if path is not None:
            self._file = Reread("headers_file", path, _headers_in, {})

    def now(self) -> dict[str, str]:
        """All of them, names in lower case."""
        return self._fixed if self._file is None else {**self._fixed, **self._file.now()}
