"""What the relay is told, as plain data. Knows no client library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """``traces``, ``logs`` and ``feedback`` are topics, ``where`` the brokers as people know them.

    ``connection`` are arguments of the client that say how the brokers are reached. ``largest_bytes`` is the largest
    message; ``memory_bytes`` what may be held: requests, and what the brokers have not acknowledged. A sender waits for
    the acknowledgement for ``acknowledged_within_s``.
    """

    traces: str
    logs: str
    feedback: str
    where: str
    connection: Mapping[str, Any]
    compression: str | None
    largest_bytes: int
    memory_bytes: int
    acknowledged_within_s: float

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics that are written to."""
        return tuple(dict.fromkeys((self.traces, self.logs, self.feedback)))
