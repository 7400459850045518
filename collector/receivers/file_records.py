"""Taking a file of OTLP protobuf apart into requests of bounded size, without reading it in whole.

An ``ExportTraceServiceRequest`` is a row of ``ResourceSpans``, and so are several of them one after another: any part
of the row is a request of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.wire import DELIMITED, FIXED32, FIXED64, VARINT, Field, WireError, fields, varint

CHUNK_BYTES = MIB
"""Small neighbours are put together up to this size: decoding many at once is cheaper."""

_VARINT_BYTES = 10
_SKIPPED = {FIXED64: 8, FIXED32: 4}
_LOG_TIMES = {(1, FIXED64), (11, FIXED64)}
"""``time_unix_nano`` and ``observed_time_unix_nano`` of a log record; a span has its trace id and events there."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some neighbouring resources of a file: the bytes of a request, and where they start in the file."""

    data: bytes
    offset: int
    holds_logs: bool


def chunks(stream: BinaryIO, limits: ReceiverLimits) -> Iterator[Chunk]:
    """Walk a stream of OTLP protobuf.

    Raises:
        WireError: It is not protobuf, ends inside a record, or holds one larger than ``limits.request_bytes``. ``at``
            is the offset in the stream.
    """
    parts: list[bytes] = []
    start = size = 0
    of_logs = False
    for at, record in _records(stream, limits):
        is_log = _holds_logs(record)
        if parts and (is_log != of_logs or size + len(record) > CHUNK_BYTES):
            yield Chunk(b"".join(parts), start, of_logs)
            parts, size = [], 0
        if not parts:
            start, of_logs = at, is_log
        parts.append(record)
        size += len(record)
    if parts:
        yield Chunk(b"".join(parts), start, of_logs)


def _records(stream: BinaryIO, limits: ReceiverLimits) -> Iterator[tuple[int, bytes]]:
    """Give the resources of a stream with their tags, and where each starts; skip fields that OTLP does not know."""
    at = 0
    while head := _read_varint(stream, at):
        tag = varint(head, 0, len(head))[0]
        body = _read_value(stream, tag & 7, at, limits.request_bytes)
        if tag >> 3 == 0:
            raise WireError(at, "a field has an invalid number")
        if tag == 1 << 3 | DELIMITED:
            yield at, head + body
        at += len(head) + len(body)


def _read_varint(stream: BinaryIO, at: int) -> bytes:
    """Return the bytes of the number that comes next; none at the end of the stream."""
    read = bytearray()
    while len(read) < _VARINT_BYTES:
        byte = stream.read(1)
        if not byte and not read:
            return b""
        if not byte:
            raise WireError(at, "the file ends inside a record")
        read += byte
        if byte < b"\x80":
            return bytes(read)
    raise WireError(at, "a number is too long")


def _read_value(stream: BinaryIO, wire_type: int, at: int, limit: int) -> bytes:
    if wire_type == VARINT:
        return _read_varint(stream, at) or _cut_off(at)
    if wire_type in _SKIPPED:
        return _read_exactly(stream, _SKIPPED[wire_type], at)
    if wire_type != DELIMITED:
        raise WireError(at, f"a field has the unknown wire type {wire_type}")
    head = _read_varint(stream, at) or _cut_off(at)
    length = varint(head, 0, len(head))[0]
    if length > limit:
        raise WireError(at, f"a record of {length} bytes is larger than the limit of {limit} (limits.request)")
    return head + _read_exactly(stream, length, at)


def _read_exactly(stream: BinaryIO, size: int, at: int) -> bytes:
    data = stream.read(size)
    return data if len(data) == size else _cut_off(at)


def _cut_off(at: int) -> bytes:
    raise WireError(at, "the file ends inside a record")


def _holds_logs(record: bytes) -> bool:
    """Whether a resource's first record is a log record; ``False`` where it has none or is broken."""
    try:
        first = next(_inner(record, _inner(record, fields(record))), None)
        found = () if first is None else fields(record, first.start, first.end)
        return any((f.number, f.wire_type) in _LOG_TIMES for f in found)
    except WireError:
        return False


def _inner(data: bytes, outer: Iterator[Field]) -> Iterator[Field]:
    """Walk what is in the field 2 of messages: the scopes of resources, the records of scopes."""
    for message in outer:
        inner = fields(data, message.start, message.end)
        yield from (found for found in inner if (found.number, found.wire_type) == (2, DELIMITED))
