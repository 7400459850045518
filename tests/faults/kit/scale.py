"""How long the fault tests run: briefly with all other tests, long where ``SIDECHECK_SOAK=1`` asks for it."""

import os
from typing import TypeVar

Value = TypeVar("Value")


def is_long() -> bool:
    """Whether the long form runs."""
    return os.environ.get("SIDECHECK_SOAK", "") not in ("", "0")


def short_or_long(short: Value, long: Value) -> Value:
    """One of two sizes of the same test."""
    return long if is_long() else short
