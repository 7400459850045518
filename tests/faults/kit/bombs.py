"""Small requests that want to be large: compressed, nested, or simply many. Each with the answer that it has earned."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import zstandard
from faults.kit.traffic import a_numbered_span
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

MIB = 1 << 20
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Bomb:
    """A request and the HTTP statuses that may answer it."""

    name: str
    body: bytes
    statuses: tuple[int, ...]
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": PROTOBUF})

    @property
    def kind(self) -> str:
        """The media type."""
        return self.headers["content-type"]


def _delimited(number: int, payload: bytes) -> bytes:
    length, size = len(payload), bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((number << 3 | 2,)) + bytes((*size, length)) + payload


def _with_spans(spans: bytes) -> bytes:
    return _delimited(1, _delimited(2, spans))


def _packed(name: str, body: bytes, encoding: str, kind: str = PROTOBUF) -> Bomb:
    return Bomb(name, body, (400, 413), {"content-type": kind, "content-encoding": encoding})


def _nested_value(depth: int) -> bytes:
    value = AnyValue(string_value="deep")
    for _ in range(min(depth, 50)):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    encoded = value.SerializeToString()
    for _ in range(depth - 50):
        encoded = _delimited(5, _delimited(1, encoded))
    return encoded


def _span_with(attribute_value: bytes) -> bytes:
    span = a_numbered_span(1, 1, run=66).SerializeToString()
    return _with_spans(_delimited(2, span + _delimited(9, _delimited(1, b"key") + _delimited(2, attribute_value))))


def _many_attributes() -> bytes:
    span = a_numbered_span(2, 1, run=66).SerializeToString()
    return _with_spans(_delimited(2, span + b"\x4a\x00" * (4 * MIB)))


def _json_span(value: str) -> bytes:
    ids = f'"traceId":"{66:032x}","spanId":"{66:016x}","startTimeUnixNano":"1","endTimeUnixNano":"2"'
    span = f'{{{ids},"attributes":[{{"key":"key","value":{value}}}]}}'
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}'.encode()


def _compressed() -> list[Bomb]:
    empty_spans = _with_spans(b"\x12\x00" * (9 * MIB))
    zeroes = bytes(256 * MIB)
    once = gzip.compress(zeroes, 9)
    return [
        _packed("gzip of nothing but zeroes", once, "gzip"),
        _packed("gzip of millions of empty spans", gzip.compress(empty_spans, 9), "gzip"),
        _packed("gzip within gzip", gzip.compress(once), "gzip"),
        _packed("gzip of a hundred thousand empty members", gzip.compress(b"") * 100_000, "gzip"),
        _packed("gzip that is cut off", gzip.compress(_with_spans(b"\x12\x00" * 1000))[:-9], "gzip"),
        _packed("deflate of nothing but zeroes", zlib.compress(zeroes, 9), "deflate"),
        _packed("zstd of nothing but zeroes", zstandard.compress(zeroes, 19), "zstd"),
        _packed("gzip of deep JSON", gzip.compress(b"[" * (16 * MIB)), "gzip", JSON),
    ]


def _protobuf() -> list[Bomb]:
    many_resources = b"\x0a\x00" * (2 * MIB)
    return [
        Bomb("a million empty spans", _with_spans(b"\x12\x00" * MIB), (413,)),
        Bomb("millions of empty resources", many_resources, (413,)),
        Bomb("millions of empty attributes", _many_attributes(), (200, 400, 413)),
        Bomb("a value ten thousand deep", _span_with(_nested_value(10_000)), (200, 400)),
        Bomb("a length of 2^63", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", (400,)),
        Bomb("groups in groups", b"\x0b" * MIB, (400,)),
        Bomb("19 MiB of one attribute", _span_with(_delimited(1, b"x" * (19 * MIB))), (200, 413, 503)),
    ]


def _json() -> list[Bomb]:
    as_json = {"content-type": JSON}
    deep = '{"arrayValue":{"values":[' * 20_000 + "]}}" * 20_000
    digits = '{"intValue":' + "9" * 1_000_000 + "}"
    keys = '{"kvlistValue":{"values":[' + ",".join(['{"key":"k"}'] * 300_000) + "]}}"
    twins = json.dumps({f"k{n}": n for n in range(200_000)})
    return [
        Bomb("JSON two hundred thousand deep", b"[" * 200_000, (400,), as_json),
        Bomb("JSON deep in the right place", _json_span(deep), (200, 400), as_json),
        Bomb("JSON with a number of a million digits", _json_span(digits), (200, 400), as_json),
        Bomb("JSON with a number beyond all numbers", _json_span('{"doubleValue":1e999999}'), (200, 400), as_json),
        Bomb("JSON with very many values", _json_span(keys), (200, 400, 413), as_json),
        Bomb("JSON with very many unknown keys", _json_span(twins), (200, 400, 413), as_json),
        Bomb("JSON of escapes", _json_span('{"stringValue":"%s"}' % ("\\u0000\\ud800" * 500_000)), (200, 400), as_json),
    ]


def bombs() -> list[Bomb]:
    """All of them."""
    return [*_compressed(), *_protobuf(), *_json()]
