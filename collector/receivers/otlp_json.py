"""OTLP/JSON becomes OTLP protobuf. Owns the JSON mapping and nothing of what the records mean.

The mapping is proto3 JSON with the deviations of https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids
are hex, enums integers only, keys lowerCamelCase only, unknown keys ignored. protobuf's own ``json_format`` knows none
of these: it takes ids for base64 and gives wrong ones silently.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.intake import Refusal, Refused
from collector.receivers.limits import ReceiverLimits

CONTAINERS_PER_SPAN = 10
"""How many JSON objects and arrays a document may hold for each span it may hold; each is some 200 bytes of memory."""

MAX_DEPTH = 100
"""How deep messages may nest. Decoders of protobuf allow no more."""

_ID_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_NOT_AN_ID = b"?"
"""What stands for an id that is not hex. Its length is wrong, so that its record alone is refused, not the request."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the rest of the document where it is not closed: so that each byte is looked at once."""
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?")
_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT_FLOAT = 1 << 53

_Request = TypeVar("_Request", bound=Message)


class _InvalidError(Exception):
    """What is wrong with a value; the path to it is put in front on the way up."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.path: list[str] = []


def traces_to_protobuf(body: bytes, limits: ReceiverLimits) -> bytes:
    """Return an ``ExportTraceServiceRequest`` as protobuf.

    Raises:
        Refused: ``MALFORMED`` for what is not OTLP/JSON, naming the path and the rule; ``TOO_MANY_SPANS`` for a
            document of more objects than a full request has.
    """
    return to_protobuf(load(body, limits), ExportTraceServiceRequest())


def logs_to_protobuf(body: bytes, limits: ReceiverLimits) -> bytes:
    """Return an ``ExportLogsServiceRequest`` as protobuf; raises as ``traces_to_protobuf``."""
    return to_protobuf(load(body, limits), ExportLogsServiceRequest())


def load(body: bytes, limits: ReceiverLimits) -> Mapping[str, Any]:
    """Parse a JSON object.

    Raises:
        Refused: ``MALFORMED`` for what is not JSON (RFC 8259: NaN, lone surrogates and the like included) or no object,
            ``TOO_MANY_SPANS`` for too many objects in it.
    """
    _count_containers(body, CONTAINERS_PER_SPAN * limits.spans_per_request)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"it is not valid JSON at line {error.lineno}, column {error.colno}") from None
    if not isinstance(document, dict):
        raise _malformed("it must be a JSON object")
    return document


def to_protobuf(document: Mapping[str, Any], request: Message) -> bytes:
    """Fill an empty request from a JSON object and return its bytes.

    Raises:
        Refused: ``MALFORMED``, naming the path and the rule.
    """
    try:
        _fill(request, document, 1)
    except _InvalidError as problem:
        raise _malformed("".join(reversed(problem.path)).lstrip(".") + f" {problem.rule}") from None
    return request.SerializeToString()


def _malformed(problem: str) -> Refused:
    return Refused(Refusal.MALFORMED, f"the body is not valid OTLP/JSON: {problem}")


def _count_containers(body: bytes, limit: int) -> None:
    """Refuse a document of too many objects and arrays before they are made. Brackets inside strings do not count."""
    if body.count(b"{") + body.count(b"[") <= limit:
        return
    bare = _STRING.sub(b"", body)
    if bare.count(b"{") + bare.count(b"[") > limit:
        raise Refused(Refusal.TOO_MANY_SPANS, f"the JSON holds more than {limit} objects; send smaller batches")


def _fill(message: Message, value: Any, depth: int) -> None:
    """Set the fields of a message from a JSON object."""
    if not isinstance(value, dict):
        raise _InvalidError("must be an object")
    if depth > MAX_DEPTH:
        raise _InvalidError(f"is nested more than {MAX_DEPTH} levels deep")
    known = _fields(message.DESCRIPTOR)
    for key, item in value.items():
        field = known.get(key)
        if field is None or item is None:
            continue
        try:
            _set(message, field, item, depth)
        except _InvalidError as problem:
            problem.path.append(f".{key}")
            raise


def _set(message: Message, field: FieldDescriptor, value: Any, depth: int) -> None:
    if field.is_repeated:
        _extend(getattr(message, field.name), field, value, depth)
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, value, depth + 1)
    else:
        setattr(message, field.name, _scalar(field, value))


def _extend(items: Any, field: FieldDescriptor, value: Any, depth: int) -> None:
    if not isinstance(value, list):
        raise _InvalidError("must be an array")
    for place, item in enumerate(value):
        try:
            if field.message_type is not None:
                _fill(items.add(), item, depth + 1)
            else:
                items.append(_scalar(field, item))
        except _InvalidError as problem:
            problem.path.append(f"[{place}]")
            raise


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.name in _ID_FIELDS:
        return _id(value)
    return _SCALARS[field.type](value)


def _id(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _InvalidError("must be a string of hex digits")
    try:
        return binascii.unhexlify(value)
    except ValueError:
        return _NOT_AN_ID


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _InvalidError("must be a string")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _InvalidError("must be true or false")
    return value


def _double(value: Any) -> float:
    if isinstance(value, str):
        return _double_of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _InvalidError("must be a number")
    return float(value)


def _double_of_text(value: str) -> float:
    if value in _SPECIAL_NUMBERS:
        return _SPECIAL_NUMBERS[value]
    if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
        raise _InvalidError("must be a number that fits into 64 bits")
    return float(value)


def _bytes(value: Any) -> bytes:
    """Read base64, standard or URL-safe, with padding or without."""
    text = _string(value)
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise _InvalidError("must be base64") from None


def _integer(low: int, high: int) -> Callable[[Any], int]:
    """Return the reader of integers from ``low`` to ``high``, given as numbers or as decimal strings."""

    def read(value: Any) -> int:
        number = _whole(value)
        if not low <= number <= high:
            raise _InvalidError(f"must be from {low} to {high}")
        return number

    return read


def _whole(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_FLOAT:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _InvalidError("must be an integer, or one of at most 20 digits in a string")
    return value


def _enum(value: Any) -> int:
    if isinstance(value, str):
        raise _InvalidError("must be the number of the enum value, not its name")
    return _integer(-(1 << 31), (1 << 31) - 1)(value)


_SCALARS: Mapping[int, Callable[[Any], Any]] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_INT32: _integer(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_INT64: _integer(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_SINT32: _integer(-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_SFIXED64: _integer(-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_UINT64: _integer(0, (1 << 64) - 1),
    FieldDescriptor.TYPE_UINT32: _integer(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_FIXED32: _integer(0, (1 << 32) - 1),
    FieldDescriptor.TYPE_FIXED64: _integer(0, (1 << 64) - 1),
}
"""Every scalar type that OTLP uses."""


@cache
def _fields(kind: Descriptor) -> Mapping[str, FieldDescriptor]:
    """Return the fields of a message by their JSON keys."""
    return {field.json_name: field for field in kind.fields}
