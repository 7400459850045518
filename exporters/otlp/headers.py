"""Headers of what is sent: those of the configuration, and those of a file that may change (a token that rotates)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*([\x20-\x7e]+)")
"""A header's name and value (RFC 9110, section 5): what can stand in a request of either protocol."""
LARGEST_BYTES = 64 * 1024

log = structlog.get_logger()


def read_headers(path: Path) -> dict[str, str]:
    """Headers out of a file, one ``name: value`` a line; empty lines and those that begin with # are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no header. The text names the line's number, not what it holds.
    """
    with path.open("rb") as file:
        text = file.read(LARGEST_BYTES).decode("ascii", "replace")
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
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._read: dict[str, str] = {}
        self._is_broken = False

    def now(self) -> dict[str, str]:
        """All of them, names in lower case."""
        if self._path is not None:
            self._look(self._path)
        return {**self._fixed, **self._read}

    def _look(self, path: Path) -> None:
        try:
            stat = path.stat()
            seen = stat.st_mtime_ns, stat.st_size
            if seen != self._seen:
                self._read = read_headers(path)
                self._seen = seen
            self._is_broken = False
        except (OSError, ValueError) as error:
            if not self._is_broken:
                problem = error.strerror if isinstance(error, OSError) else str(error)
                log.warning("a file of headers cannot be used; the last ones stay", file=str(path), problem=problem)
            self._is_broken = True
