"""How much one request may hold, and what a connection may cost. Owns the numbers; who reads enforces them itself.

Whoever enforces limits holds on to the object and reads it anew for each request: a reload changes the numbers in it.
"""

from dataclasses import dataclass, fields
from typing import Self

MIB = 1 << 20


class _Adjustable:
    """Limits that hold for many at once, and change for all of them."""

    __slots__ = ()

    def adopt(self, other: Self) -> None:
        """Be these limits from now on. Threads that are reading see each number either before or after."""
        for field in fields(self):  # type: ignore[arg-type]  # those below are dataclasses
            setattr(self, field.name, getattr(other, field.name))


@dataclass(slots=True)
class ReceiverLimits(_Adjustable):
    """The limits of one request; the ``limits:`` section of the configuration sets them.

    Attributes:
        request_bytes: The largest body, before and after decompression.
        spans_per_request: The most spans (or log records) in a request, counted before any of them is decoded.
        attribute_bytes: The largest attribute value; what is longer is cut and marked.
        compression_ratio: How many times larger than sent a body may grow, once it is over 1 MiB.
    """

    request_bytes: int = 20 * MIB
    spans_per_request: int = 100_000
    attribute_bytes: int = MIB
    compression_ratio: int = 200


@dataclass(slots=True)
class ConnectionLimits(_Adjustable):
    """The limits of one listener's connections; the ``limits:`` section of the configuration sets them.

    Attributes:
        connections: The most connections (gRPC: twice as many), and the most gRPC calls, at one time.
        header_s: Seconds for a TLS handshake, and for the head of a request from its first byte on.
        body_s: Seconds for a request's body.
        idle_s: Seconds after which a connection without a request is closed.
    """

    connections: int = 1000
    header_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 120.0
