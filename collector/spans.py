"""The sidecar's own work as spans: what the parts say of it, for whoever wants to know. Usually nobody does.

Owns the words that the parts use, and saying it to nobody. Where spans go is ``collector.own_telemetry``'s business. A
span is of a request or a batch, never of an app's span, and holds no text that an app captured.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol, Self

Value = str | int
"""A string out of a small set, or a number."""


class Kind(StrEnum):
    """What a piece of work is to others; OpenTelemetry's kinds of spans."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"


class OwnSpan(Protocol):
    """A piece of the sidecar's own work, while it is done."""

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Say more of it."""
        ...

    def fail(self, error: str) -> None:
        """Say that it failed, and how: a type or a reason, never an error's text."""
        ...

    def leave_out(self) -> None:
        """Say nothing of it after all: it was about such spans themselves."""
        ...


class Spans(Protocol):
    """Begins a span, which ends with the ``with`` block; an exception that leaves the block is its failure."""

    def __call__(self, name: str, kind: Kind, attributes: Mapping[str, Value], /) -> AbstractContextManager[OwnSpan]:
        """``name`` and string attributes are of low cardinality."""
        ...


class _Untold:
    """The span of nobody: one for all work, and no work itself."""

    def note(self, attributes: Mapping[str, Value]) -> None:
        pass

    def fail(self, error: str) -> None:
        pass

    def leave_out(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


UNTOLD: AbstractContextManager[OwnSpan] = _Untold()


def no_spans(_name: str, _kind: Kind, _attributes: Mapping[str, Value], /) -> AbstractContextManager[OwnSpan]:
    """Spans that nobody is told of."""
    return UNTOLD
