"""The value types of the configuration: durations, sizes, counts and listen addresses.

Each type reads what a person writes in YAML or in an environment variable, is printed back the same way, and has
a JSON Schema for editors. A value that does not fit is refused with its rule; which key it stood at is not known here.
"""

import ipaddress
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from checks.duration import parse_duration

_NS = {"d": 86_400_000_000_000, "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000}
_SIZE = re.compile(r"(?P<number>\d{1,18}(?:\.\d{1,9})?)\s*(?P<prefix>[kmgt]i?)?b?", re.IGNORECASE | re.ASCII)
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_FACTORS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    **{name.lower(): factor for name, factor in _BINARY.items()},
}
_HOST_PORT = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9_.-]+)):(?P<port>\d{1,5})", re.IGNORECASE | re.ASCII
)
_MOST = 2**63 - 1
"""Nothing that is configured is larger than a signed 64-bit integer, the widest that SQLite stores."""

_DURATION_RULE = "must be a duration such as 500ms, 2s, 10m, 24h or 30d, or a number of seconds"
_SIZE_RULE = "must be a size such as 512KiB, 20MiB or 2GiB, or a number of bytes"
_COUNT_RULE = "must be a whole number of at least 1, with at most 18 digits"
_SHARE_RULE = "must be a number from 0 (none) to 1 (all)"
_ADDRESS_RULE = "must be host:port such as 127.0.0.1:4317, 0.0.0.0:4317 or [::1]:4317; port 0 takes any free one"


def broken_rule(rule: str) -> PydanticCustomError:
    """The error of a value that breaks ``rule`` ("must be ..."); the value itself is added where it is reported."""
    return PydanticCustomError("rule", "{rule}", {"rule": rule})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. ``host`` is a name or an IP address without brackets, ``port`` 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``host:port``, an IPv6 host in brackets.

        Raises:
            ValueError: if it is anything else, or the port is above 65535.
        """
        match = _HOST_PORT.fullmatch(text.strip())
        if match is None or int(match["port"]) > 65535:
            raise ValueError(_ADDRESS_RULE)
        if not match["v6"]:
            return cls(match["host"], int(match["port"]))
        try:
            return cls(str(ipaddress.IPv6Address(match["v6"])), int(match["port"]))
        except ipaddress.AddressValueError as problem:
            raise ValueError(_ADDRESS_RULE) from problem

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The IP address, ``None`` where the host is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than ``localhost`` counts as reachable."""
        return self.ip.is_loopback if self.ip else self.host.lower() == "localhost"

    def clashes_with(self, other: "Address") -> bool:
        """Whether both cannot listen at once: the same port on the same host, or on all hosts."""
        if self.port != other.port or self.port == 0:
            return False
        everywhere = any(a.ip is not None and a.ip.is_unspecified for a in (self, other))
        hosts = {"127.0.0.1" if a.host.lower() == "localhost" else a.host.lower() for a in (self, other)}
        return everywhere or len(hosts) == 1


def parse_size(value: object) -> int:
    """Bytes of ``20MiB`` (1024s), ``512MB`` (1000s), ``64Mi`` or a plain number.

    Raises:
        ValueError: if it is anything else, or less than one byte.
    """
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        size = int(float(match["number"]) * _FACTORS[(match["prefix"] or "").lower()])
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise ValueError(_SIZE_RULE)
    if not 1 <= size <= _MOST:
        raise ValueError(_SIZE_RULE + ", and at least one byte")
    return size


def format_size(size: int) -> str | int:
    """The shortest exact way to write ``size`` bytes: ``20MiB``, else the number."""
    for name, factor in reversed(_BINARY.items()):
        if size and size % factor == 0:
            return f"{size // factor}{name}B"
    return size


def format_duration(duration_ns: int) -> str:
    """A duration as the configuration writes it, exact: ``500ms``, ``2s``, ``24h``, ``30d``."""
    for unit, factor in _NS.items():
        is_whole = duration_ns and duration_ns % factor == 0
        if is_whole and (unit != "d" or duration_ns > factor):  # a day is written 24h
            return f"{duration_ns // factor}{unit}"
    seconds, rest = divmod(duration_ns, _NS["s"])
    return f"{seconds}.{rest:09d}".rstrip("0") + "s" if rest else "0s"


def _duration(value: Any) -> int:
    try:
        return parse_duration(value)
    except ValueError as problem:
        raise broken_rule(_DURATION_RULE) from problem


def _positive_duration(value: Any) -> int:
    duration_ns = _duration(value)
    if duration_ns == 0:
        raise broken_rule(_DURATION_RULE + ", and longer than 0")
    return duration_ns


def _size(value: Any) -> int:
    try:
        return parse_size(value)
    except ValueError as problem:
        raise broken_rule(str(problem)) from problem


def _count(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) < 1:
        raise broken_rule(_COUNT_RULE)
    return int(text)


def _share(value: Any) -> float:
    try:
        share = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError) as problem:
        raise broken_rule(_SHARE_RULE) from problem
    if not 0 <= share <= 1:  # false for NaN too
        raise broken_rule(_SHARE_RULE)
    return share


def _count_or_auto(value: Any) -> int | str:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        return _count(value)
    except PydanticCustomError as problem:
        raise broken_rule("must be auto (one worker a core) or a whole number of at least 1") from problem


def _address(value: Any) -> Address:
    try:
        return value if isinstance(value, Address) else Address.parse(str(value))
    except ValueError as problem:
        raise broken_rule(_ADDRESS_RULE) from problem


_DURATION_SCHEMA = {"type": ["string", "number"], "pattern": r"^\s*[0-9.]+\s*(ns|us|ms|s|m|h|d)?\s*$", "minimum": 0}
_SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": r"^\s*[0-9.]+\s*([kKmMgGtT]i?)?[bB]?\s*$", "minimum": 1}
_COUNT_SCHEMA = {"type": "integer", "minimum": 1}

Duration = Annotated[int, PlainValidator(_duration), PlainSerializer(format_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""Nanoseconds, 0 or more."""
PositiveDuration = Annotated[
    int, PlainValidator(_positive_duration), PlainSerializer(format_duration), WithJsonSchema(_DURATION_SCHEMA)
]
"""Nanoseconds, more than 0."""
Size = Annotated[int, PlainValidator(_size), PlainSerializer(format_size), WithJsonSchema(_SIZE_SCHEMA)]
"""Bytes, 1 or more."""
Count = Annotated[int, PlainValidator(_count), WithJsonSchema(_COUNT_SCHEMA)]
"""A whole number, 1 or more."""
Share = Annotated[float, PlainValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
"""From 0 to 1."""
CountOrAuto = Annotated[
    int | str, PlainValidator(_count_or_auto), WithJsonSchema({"anyOf": [{"const": "auto"}, _COUNT_SCHEMA]})
]
"""A whole number, 1 or more, or ``auto``."""
Listen = Annotated[
    Address, PlainValidator(_address), PlainSerializer(str), WithJsonSchema({"type": "string", "pattern": r":\d+$"})
]
"""Where a server listens."""
