"""OTLP messages become plain Python. Owns the conversion of values and of log records; spans are the assembler's.

Each access to a protobuf message makes an object: what most records do not have is asked for once, and not converted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage

from checks.constructor import constructor_of
from checks.span import LogRecord, Scope

_new_log = constructor_of(LogRecord)
_NO_SCOPE = Scope()


def log_record(message: LogRecordMessage, resource: Mapping[str, Any], scope: Scope = _NO_SCOPE) -> LogRecord:
    """A log record of this resource and scope."""
    attributes = attributes_of(message.attributes)
    named = attributes.get("event.name")
    return _new_log(
        trace_id=message.trace_id.hex(),
        span_id=_id(message.span_id),
        event_name=message.event_name or (named if isinstance(named, str) else ""),
        time_ns=log_time(message),
        body=message.body.string_value or _value(message.body),
        attributes=attributes,
        resource=resource,
        scope=scope,
    )


def log_time(message: LogRecordMessage) -> int:
    """When it happened or, where that was not recorded, when it was observed."""
    return message.time_unix_nano or message.observed_time_unix_nano


def attributes_of(pairs: Sequence[KeyValue]) -> Mapping[str, Any]:
    """Attributes by their keys; of a key that is there twice the last value."""
    found: dict[str, Any] = {}
    for pair in pairs[:]:  # a list is walked at a fraction of what a protobuf container takes
        value = pair.value
        found[pair.key] = value.string_value or value.int_value or _value(value)
    return found


def _id(raw: bytes) -> str | None:
    """A span id as hex; ``None`` for an empty one and for all zeros, both of which stand for "none"."""
    return raw.hex() if any(raw) else None


def _values(messages: Sequence[AnyValue]) -> Sequence[Any]:
    return [message.string_value or message.int_value or _value(message) for message in messages[:]]


def _value(message: AnyValue) -> Any:
    """An ``AnyValue`` as plain Python. Nesting needs no guard: protobuf refuses to parse what is deeper than 100.

    Nearly all values are text, most others integers. A field of a ``oneof`` that holds something is the one that is
    set, and reading it is cheaper than asking which one is: callers look for text and numbers themselves.
    """
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return _values(message.array_value.values)
    if kind == "kvlist_value":
        return attributes_of(message.kvlist_value.values)
    return getattr(message, kind)
