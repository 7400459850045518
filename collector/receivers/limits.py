"""How much one request may hold. Owns the numbers; every receiver and decoder enforces them itself."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
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
