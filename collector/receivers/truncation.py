"""Cutting of attribute values that are too large, with the mark that says so (``checks.cut``)."""

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, Protocol

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from checks.cut import MARK, MARKED_CHARACTERS

_NUMBER_BYTES = 8


class Attributes(Protocol):
    """A repeated field of ``KeyValue``."""

    def __iter__(self) -> Iterator[KeyValue]: ...

    def add(self) -> KeyValue:
        """Append an empty one and return it."""
        ...


def cut_attributes(attributes: Attributes, limit: int) -> bool:
    """Cut, in place, every value that is larger than ``limit`` bytes, and mark which; return whether any was."""
    keys = [item.key[:MARKED_CHARACTERS] for item in attributes if cut_value(item.value, limit)]
    if keys:
        mark_cut(attributes, keys)
    return bool(keys)


def mark_cut(attributes: Attributes, keys: Iterable[str]) -> None:
    """Add the mark that names what was cut."""
    mark = attributes.add()
    mark.key = MARK
    mark.value.array_value.values.extend(AnyValue(string_value=key) for key in keys)


def cut_value(value: AnyValue, limit: int) -> bool:
    """Cut a value to ``limit`` bytes where it is larger; return whether it was.

    Text is cut between characters; a list or map keeps its first elements, the last of them cut in its turn.
    """
    if value.ByteSize() <= limit:
        return False
    _trim(value, limit)
    return True


def _trim(value: AnyValue, room: int) -> int:
    """Make the value fit into ``room`` bytes; return the room that remains."""
    room = max(0, room)
    kind = value.WhichOneof("value")
    if kind == "string_value":
        encoded = value.string_value.encode()
        value.string_value = encoded[:room].decode(errors="ignore")
        return room - len(encoded)
    if kind == "bytes_value":
        size = len(value.bytes_value)
        value.bytes_value = value.bytes_value[:room]
        return room - size
    if kind == "array_value":
        return _trim_items(value.array_value.values, room)
    if kind == "kvlist_value":
        return _trim_items(value.kvlist_value.values, room)
    return room - _NUMBER_BYTES


def _trim_items(items: MutableSequence[Any], room: int) -> int:
    """Keep the first items, as many as there is room for; return the room that remains."""
    for place, item in enumerate(items):
        if room <= 0:
            del items[place:]
            break
        room = _trim(item.value, room - len(item.key)) if isinstance(item, KeyValue) else _trim(item, room)
    return room
