"""A version of the dataset, as data: what it is called, what it holds, who made it of what. No I/O."""

import re
from dataclasses import dataclass

LATEST = "latest"
"""The name of the newest version."""
NOW = "now"
"""The name of what is promoted at this moment, committed or not."""
BEGINNING = "the beginning"
"""What stands for the newest version while there is none: it holds no case."""
MESSAGE = 2_000
"""The most characters of a message."""

_NUMBER = re.compile(r"v?([0-9]{1,6})")
_HASH = re.compile("[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Version:
    """A frozen set of cases. ``digest`` is the SHA-256 of its ``cases.jsonl`` as it was committed.

    Of its ``cases``, ``added`` and ``changed`` are so compared with the version before, which had ``removed`` more.
    ``forgotten`` of them were removed since, on demand: then the bytes that are left have another hash.
    """

    number: int
    digest: str
    message: str
    who: str
    time_ns: int
    cases: int
    added: int
    changed: int
    removed: int
    forgotten: int = 0

    @property
    def name(self) -> str:
        """As people call it."""
        return f"v{self.number}"

    @property
    def parent(self) -> str | None:
        """The name of the version before."""
        return f"v{self.number - 1}" if self.number > 1 else None

    @property
    def left(self) -> int:
        """The number of cases that it still holds."""
        return self.cases - self.forgotten


def number_in(name: str) -> int | None:
    """The number that ``v3`` or ``3`` names; ``None`` for other names."""
    found = _NUMBER.fullmatch(name)
    return int(found[1]) if found else None


def is_hash(name: str) -> bool:
    """Whether this may be the beginning of a version's hash, of seven digits at least."""
    return _HASH.fullmatch(name) is not None
