"""Between dataclasses and what a column holds. What it writes it reads back unchanged, whatever a trace contained.

JSON goes through orjson where that can hold a value, else through the standard library: it keeps integers of any size,
NaN and lone surrogates (as ASCII escapes), and all of these occur in production.
"""

import base64
import hashlib
import json
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import orjson
import zstandard

from checks.finding import Evidence, Finding, Severity
from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source

MAX_INT = 2**63 - 1
MIN_INT = -(2**63)
KEY_LENGTH = 256
"""Characters of an indexed text; at four bytes each they stay below PostgreSQL's 2,700."""
MAX_DEPTH = 100
"""Nesting that survives when a value is too deep for JSON; far above what any tool's arguments need."""
MAX_BITS = 10_000
"""Of an integer that survives then; Python refuses to print more than 4,300 digits."""

ZSTD_LEVEL = 1
"""A level more takes longer than it saves: 3 makes the telemetry of a trace 3 % smaller in 20 % more time."""

ZSTD_SMALL = 128 * 1024
"""So many bytes and fewer are compressed as so many would be. For a trace of some KB zstd takes a larger table by
itself: to clear it and to walk in it takes 5 % of the time, and saves 0.1 % of the size."""

_STRICT = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""Only JSON's own types are written by themselves; ``_other`` says what becomes of the rest."""

T = TypeVar("T")


class _Compressors(threading.local):
    """Each thread's own: one must not be used by two at once, and to make one takes as long as to compress a trace."""

    def __init__(self) -> None:
        options = zstandard.ZstdCompressionParameters.from_level(ZSTD_LEVEL, source_size=ZSTD_SMALL, min_match=5)
        self.small = zstandard.ZstdCompressor(compression_params=options)
        self.large = zstandard.ZstdCompressor(level=ZSTD_LEVEL)


_own = _Compressors()


def clamped(number: int) -> int:
    """``number`` within a signed 64-bit column: OTLP times are unsigned 64-bit."""
    return int(number) if MIN_INT <= number <= MAX_INT else MAX_INT if number > 0 else MIN_INT


def clean(text: str) -> str:
    """``text`` without what a column refuses: NUL (PostgreSQL) and lone surrogates (UTF-8), each replaced."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def key(text: str) -> str:
    """``text`` as an indexed column holds it: cleaned, and a long one cut and made unique by its hash."""
    if len(text) <= KEY_LENGTH:
        return clean(text)
    text = clean(text)
    digest = digest_of(text)[:32]
    return f"{text[: KEY_LENGTH - len(digest) - 1]}~{digest}"


def digest_of(*parts: object) -> str:
    """SHA-256 over the parts, 64 hex digits."""
    return hashlib.sha256(to_json(parts).encode()).hexdigest()


def to_json(value: Any) -> str:
    """JSON. What it cannot hold (too deep, huge, odd keys) is cut: one odd value never stops a batch."""
    try:
        made = orjson.dumps(value, _other, _STRICT)
    except (TypeError, ValueError):
        return _faithful(value)
    # It writes NaN as null, and gives up on the rest that only the slower one can hold.
    return _faithful(value) if b"null" in made else made.decode()


def _faithful(value: Any) -> str:
    """JSON in ASCII that keeps integers of any size, NaN, infinity, lone surrogates and NUL."""
    try:
        return _encoder.encode(value)
    except (RecursionError, ValueError, TypeError):
        return _encoder.encode(_cut(value, MAX_DEPTH))


def from_json(text: str | bytes) -> Any:
    """The value that ``to_json`` wrote."""
    return json.loads(text)


def join_compressed(*parts: bytes) -> bytes:
    """The parts as one zstd frame, which finds what they have in common; nothing where all are empty."""
    sizes = list(map(len, parts))
    if not any(sizes):
        return b""
    whole = b"".join((struct.pack(f"<{len(parts)}Q", *sizes), *parts))
    compressor = _own.small if len(whole) <= ZSTD_SMALL else _own.large
    return bytes(compressor.compress(whole))


def split_compressed(data: bytes, number: int) -> tuple[bytes, ...]:
    """The ``number`` parts that ``join_compressed`` was given."""
    if not data:
        return (b"",) * number
    whole = zstandard.decompress(data)
    at = 8 * number
    parts = []
    for length in struct.unpack_from(f"<{number}Q", whole):
        parts.append(whole[at : at + length])
        at += length
    return tuple(parts)


def unpacked_size(data: bytes) -> int:
    """Bytes of all parts that ``join_compressed`` was given, and of what it put before them; from the frame's head."""
    return max(0, zstandard.frame_content_size(data)) if data else 0


def case_to_json(case: Case) -> str:
    """A case, whole."""
    parts = {name: _plain(getattr(case, name)) for name in ("source", "context", "expectation")}
    return to_json({**_plain(case), **parts})


def case_from_json(text: str) -> Case:
    """The case that ``case_to_json`` wrote."""
    data = from_json(text)
    made = {
        "source": _made(Source, data["source"]),
        "context": _made(Context, data["context"]),
        "expectation": _made(Expectation, data["expectation"]),
        "kind": ExampleType(data["kind"]),
    }
    return _made(Case, {**data, **made})


def verdicts_to_json(verdicts: Iterable[Verdict]) -> str:
    """Verdicts, whole and in order."""
    return f"[{','.join(map(verdict_to_json, verdicts))}]"


def verdicts_template(verdicts: Iterable[Verdict]) -> str:
    """What ``verdicts_to_json`` makes of verdicts without findings, with ``%d`` where each one's duration stands."""
    each = [f'{{"duration_ns":%d,{_rest(verdict).replace("%", "%%")}' for verdict in verdicts]
    return "[" + ",".join(each) + "]"


def verdicts_from_json(text: str) -> tuple[Verdict, ...]:
    """The verdicts that ``verdicts_to_json`` wrote."""
    return tuple(_verdict_from_plain(item) for item in from_json(text))


def verdict_to_json(verdict: Verdict) -> str:
    """One verdict, whole."""
    if verdict.findings:
        return to_json(_verdict_to_plain(verdict))
    return f'{{"duration_ns":{verdict.duration_ns},{_rest(verdict)}'


def _rest(v: Verdict) -> str:
    return _beside_duration(v.check, v.version, v.outcome, v.score, v.error, v.findings_cut, v.reason)


@lru_cache(maxsize=1024, typed=True)
def _beside_duration(
    check: str,
    version: str,
    outcome: Outcome,
    score: float | None,
    error: str | None,
    findings_cut: bool,
    reason: str | None,
) -> str:
    """What stands behind its duration in the JSON of a verdict without findings: of most verdicts it is one of few."""
    verdict = Verdict(check, version, outcome, score, error=error, findings_cut=findings_cut, reason=reason)
    return to_json(_sparse(verdict))[1:]


def verdict_from_json(text: str) -> Verdict:
    """The verdict that ``verdict_to_json`` wrote."""
    return _verdict_from_plain(from_json(text))


def feedback_to_json(items: Iterable[Feedback]) -> str:
    """Pieces of feedback, whole and in order."""
    return to_json([_sparse(item) for item in items]) if items else "[]"


def feedback_from_json(text: str) -> tuple[Feedback, ...]:
    """The feedback that ``feedback_to_json`` wrote."""
    return tuple(_made(Feedback, item) for item in from_json(text))


def _verdict_to_plain(verdict: Verdict) -> dict[str, Any]:
    made = _sparse(verdict)
    if verdict.findings:
        made["findings"] = [{**_sparse(f), "evidence": [_sparse(e) for e in f.evidence]} for f in verdict.findings]
    return made


def _verdict_from_plain(data: Mapping[str, Any]) -> Verdict:
    findings = tuple(_finding(item) for item in data.get("findings", ()))
    return _made(Verdict, {**data, "outcome": Outcome(data["outcome"]), "findings": findings})


def _finding(data: Mapping[str, Any]) -> Finding:
    evidence = tuple(_made(Evidence, item) for item in data.get("evidence", ()))
    severity = {"severity": Severity(data["severity"])} if "severity" in data else {}
    return _made(Finding, {**data, **severity, "evidence": evidence})


def _plain(item: Any) -> dict[str, Any]:
    """The fields of a dataclass, one level deep."""
    names, values_of, _ = _fields(type(item))  # type: ignore[arg-type]  # every class can be hashed
    return dict(zip(names, values_of(item), strict=True))


def _sparse(item: Any) -> dict[str, Any]:
    """As ``_plain``, without what is as it would be anyway."""
    names, values_of, usual = _fields(type(item))  # type: ignore[arg-type]  # every class can be hashed
    return {
        name: value
        for name, value, by_default in zip(names, values_of(item), usual, strict=True)
        if value is not by_default
    }


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[Any, ...]]:
    """The names of a dataclass's fields, what gets their values, and their defaults; each has two fields at least."""
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names), tuple(field.default for field in fields(kind))


def _made(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass of its fields; a list is a tuple there, and a field that a later version wrote is left out."""
    names, *_ = _fields(kind)  # type: ignore[arg-type]  # every class can be hashed
    values = {name: value for name, value in data.items() if name in names}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _other(value: Any) -> Any:
    """What JSON has no form for, or has one for a parent class of."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, int | float):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _cut(v, depth - 1) for k, v in value.items()} if depth else "..."
    if isinstance(value, list | tuple):
        return [_cut(v, depth - 1) for v in value] if depth else "..."
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return "..."
    return value if isinstance(value, str | int | float | None) else str(value)


_encoder = json.JSONEncoder(separators=(",", ":"), default=_other)
