"""Durations as people write them in a configuration: ``500ms``, ``2s``, ``24h``, or a number of seconds."""

import math
import re
from decimal import Decimal

Duration = str | int | float
"""How an option of type duration may be given."""

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

RULE = "a duration is a number with a unit (ns, us, ms, s, m, h or d, as in 500ms, 2s, 24h), or a number of seconds"

_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86400 * SECOND}
_WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(ns|us|ms|s|m|h|d)?", re.ASCII)
_LONGEST = 36500 * 86400 * SECOND  # a century: what is longer is a slip, and would overflow the timers behind


def parse_duration(value: object) -> int:
    """Read a duration.

    Args:
        value: ``"500ms"``, ``"2s"``, ``"1.5h"``, or seconds as a number or as a string without a unit.

    Returns:
        Nanoseconds, at least 0.

    Raises:
        ValueError: ``value`` is no duration; the text gives the value and the rule.
    """
    nanoseconds = _written(value) if isinstance(value, str) else _counted(value)
    if nanoseconds is None or not 0 <= nanoseconds <= _LONGEST:
        raise ValueError(f"{_shown(value)} is no duration: {RULE}, from 0 to a hundred years")
    return nanoseconds


def format_duration(nanoseconds: int) -> str:
    """Write a duration for a person: milliseconds below a second, else seconds with at most three decimals.

    Rounds up, so that what lies over a limit is never shown as equal to it.
    """
    milliseconds = -(-nanoseconds // 1_000_000)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{Decimal(milliseconds) / 1000:f} s"


def _written(value: str) -> int | None:
    match = _WRITTEN.fullmatch(value.strip())
    if match is None:
        return None
    return int(Decimal(match[1]) * _UNITS[match[2] or "s"])


def _counted(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value * SECOND
    return round(value * SECOND) if math.isfinite(value) else None


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to write integers of many digits
        return "an integer that large"
    return repr(value)[:80]
