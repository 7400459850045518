"""Which sidechecks have forwarded a request, in a header of it: so that what comes back is known.

Owns the form of the header. What is done with a request that comes back is for those who receive it.
"""

import re
from collections.abc import Iterable

HEADER = "sidecheck-forwarded-by"
"""A header over HTTP, metadata over gRPC: ids of processes with commas between them, the last one last."""
MOST = 16
"""A request that went through so many is not forwarded once more: processes that start again have another id."""

_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


def hops_of(values: Iterable[str]) -> tuple[str, ...]:
    """The ids in the values of the header; whatever else stands there is left out, and what is beyond ``MOST``."""
    found = (part.strip() for value in values for part in value.split(","))
    return tuple(part for part in found if _ID.fullmatch(part))[:MOST]


def written(hops: Iterable[str]) -> str:
    """The value of the header."""
    return ",".join(hops)
