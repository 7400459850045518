"""The protobuf wire format, as far as finding records in a request needs it. Builds no message objects.

Source of the rules: https://protobuf.dev/programming-guides/encoding/. A request is walked by its lengths alone, so
that its spans are counted before a single object exists for them.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

from google.protobuf.message import Message

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""The wire types that are in use. The two of groups (3, 4) were never part of OTLP and are refused."""

_TAGS = [bytes((number << 3 | DELIMITED,)) for number in range(16)]

_MORE = 0x80
_VARINT_BYTES = 10
_MAX_FIELD = (1 << 29) - 1
_IS_DELIMITED = [tag & 7 == DELIMITED and DELIMITED < tag < _MORE for tag in range(256)]
"""Whether a byte is the whole tag of a delimited field."""
_AT_ONCE = 1_000
_SHORT, _LONG = 3, 1 << 14
"""A tag of one byte and a length of at most two take three bytes; lengths from ``_LONG`` on take more."""


Place = tuple[int, int, int, int]
"""A field of a message: its tag (``number << 3 | wire type``), where that starts, where the value starts and ends."""


class WireError(ValueError):
    """The bytes are not protobuf. ``at`` is the offset where ``problem`` showed."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(f"{problem} at byte {at}")
        self.at = at
        self.problem = problem


class Field(NamedTuple):
    """One field: its number and type, where its tag starts, and where its value starts and ends."""

    number: int
    wire_type: int
    tag_at: int
    start: int
    end: int


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number at ``at`` and the offset after it; raise ``WireError`` where it is cut or too long."""
    value = shift = 0
    for position in range(at, min(end, at + _VARINT_BYTES)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, position + 1
        shift += 7
    raise WireError(at, "a number is cut off" if end - at < _VARINT_BYTES else "a number is too long")


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Walk the fields of the message in ``data[start:end]``, not into them.

    Raises:
        WireError: The bytes are no message: a cut field, a length that leaves the message, an unknown wire type.
    """
    for tag, at, value_at, value_end in walk(data, start, len(data) if end is None else end):
        yield Field(tag >> 3, tag & 7, at, value_at, value_end)


def walk(data: bytes, start: int, end: int) -> Iterator[Place]:
    """``fields`` at a third of the cost, and raises as it does."""
    while found := places(data, start, end, _AT_ONCE):
        yield from found
        start = found[-1][3]


def places(data: bytes, at: int, end: int, most: int) -> list[Place]:
    """The first fields of the message in ``data[at:end]``, ``most`` at most. Raises as ``fields`` does."""
    found: list[Place] = []
    last_short = end - _SHORT
    for _ in range(most):
        if at >= end:
            break
        tag = data[at]
        if _IS_DELIMITED[tag] and at <= last_short:
            value_at, length = at + 2, data[at + 1]  # what nearly every field is: a tag of one byte, and a short length
            if length >= _MORE:
                value_at, length = at + 3, length - _MORE + (data[at + 2] << 7)
            value_end = value_at + length
            if length >= _LONG:
                _, value_at, value_end = _any_field(data, at, end)
        else:
            tag, value_at, value_end = _any_field(data, at, end)
        if value_end > end:
            raise WireError(at, "a field is longer than the message that holds it")
        found.append((tag, at, value_at, value_end))
        at = value_end
    return found


def _any_field(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return a field's tag, and where its value starts and ends; the end may lie outside the message."""
    tag, value_at = varint(data, at, end)
    if not 0 < tag >> 3 <= _MAX_FIELD:
        raise WireError(at, "a field has an invalid number")
    return (tag, *_value(data, tag & 7, value_at, end))


def _value(data: bytes, wire_type: int, at: int, end: int) -> tuple[int, int]:
    """Return where a field's value starts and ends; the end may lie outside the message."""
    if wire_type == DELIMITED:
        length, at = varint(data, at, end)
        return at, at + length
    if wire_type == VARINT:
        return at, varint(data, at, end)[1]
    if wire_type == FIXED64:
        return at, at + 8
    if wire_type == FIXED32:
        return at, at + 4
    raise WireError(at, f"a field has the unknown wire type {wire_type}")


def delimited(number: int, *payload: bytes | memoryview) -> bytes:
    """Return the payload (its parts joined) as field ``number`` (1 to 15) of a message."""
    return b"".join((_TAGS[number], encode_varint(sum(map(len, payload))), *payload))


def of_one_scope(resource: bytes, scope: bytes, *fields: bytes | memoryview) -> bytes:
    """``delimited(1, resource, delimited(2, scope, *fields))``, for which each part is copied once only."""
    size = len(scope) + sum(map(len, fields))
    head = _TAGS[2] + encode_varint(size)
    return b"".join((_TAGS[1], encode_varint(len(resource) + len(head) + size), resource, head, scope, *fields))


@lru_cache(maxsize=1 << 14)
def encode_varint(value: int) -> bytes:
    """Return the number as it stands on the wire. Remembered: most lengths are small and come again."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def holds_more_than(limit: int, data: bytes, kind: type[Message]) -> bool:
    """Whether a message holds more than ``limit`` fields, those of its inner messages included.

    Decoding makes about 60 bytes of objects of a 2-byte empty attribute: a large record is measured by this first.

    Raises:
        WireError: The bytes are not protobuf.
    """
    count = 0
    left: list[tuple[int, int, Any]] = [(0, len(data), kind.DESCRIPTOR)]
    while left:
        start, end, descriptor = left.pop()
        inner = _inner_messages(descriptor)
        for found in fields(data, start, end):
            count += 1
            if count > limit:
                return True
            message = inner.get(found.number) if found.wire_type == DELIMITED else None
            if message is not None:
                left.append((found.start, found.end, message))
    return False


@cache
def _inner_messages(descriptor: Any) -> dict[int, Any]:
    """Return the descriptors of a message's inner messages, by field number (``Any``: each backend has its class)."""
    return {f.number: f.message_type for f in descriptor.fields if f.message_type is not None}
