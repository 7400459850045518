"""The protobuf wire format: fields are found where a plain reading of the rules finds them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.receivers.wire import DELIMITED, WireError, delimited, encode_varint, fields, varint, walk

LONG = delimited(2, b"x" * 200) + delimited(3, b"y" * 20_000) + b"\x08\x96\x01"


def plainly(data: bytes, start: int, end: int) -> list[tuple[int, int, int, int]]:
    """The fields by the rules alone, without any short cut."""
    found = []
    at = start
    while at < end:
        tag, value_at = varint(data, at, end)
        if not 0 < tag >> 3 < 1 << 29:
            raise WireError(at, "a field has an invalid number")
        kind = tag & 7
        if kind == DELIMITED:
            length, value_at = varint(data, value_at, end)
            value_end = value_at + length
        elif kind == 0:
            value_end = varint(data, value_at, end)[1]
        elif kind in (1, 5):
            value_end = value_at + (8 if kind == 1 else 4)
        else:
            raise WireError(value_at, "unknown wire type")
        if value_end > end:
            raise WireError(at, "a field is longer than the message that holds it")
        found.append((tag, at, value_at, value_end))
        at = value_end
    return found


def result(reader, *arguments):
    try:
        return list(reader(*arguments))
    except WireError as error:
        return error.at


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 3), st.integers(0, 3))
@example(b"\x0a\x00", 0, 0)
@example(b"\x0a\x80\x01", 0, 0)
@example(b"\x0a\x81\x00\x00", 0, 0)
@example(b"\x0a\x80\x80\x00", 0, 0)
@example(b"\x02\x00\x00", 0, 0)
@example(b"\x8a\x00\x00", 0, 0)
@example(LONG, 0, 0)
def test_fields_are_found_where_the_rules_put_them(data, before, after):
    start, end = min(before, len(data)), max(min(before, len(data)), len(data) - after)
    assert result(walk, data, start, end) == result(plainly, data, start, end)


def test_a_field_tells_its_number_its_type_and_its_place():
    (first, second) = fields(b"\xff" + delimited(2, b"ab") + b"\x08\x05", 1)
    assert tuple(first) == (2, DELIMITED, 1, 3, 5)
    assert tuple(second) == (1, 0, 5, 6, 7)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 1 << 21])
def test_lengths_are_read_as_they_are_written(size):
    encoded = encode_varint(size)
    assert varint(encoded, 0, len(encoded)) == (size, len(encoded))


def test_a_payload_in_parts_is_one_field():
    assert delimited(1, b"ab", b"", b"c") == delimited(1, b"abc")
