"""Telemetry from files and standard input, for ``sidecheck check``. Reads in portions, whatever the size of a file.

What a file holds is taken from its name where that says so (``.binpb``, ``.json``, ``.jsonl``, each also with ``.gz``),
else from its first byte; traces and logs are told apart by what is inside.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.intake import Batch, Refused, Source
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.file_records import chunks
from collector.receivers.limits import ReceiverLimits
from collector.receivers.otlp_json import load, to_protobuf
from collector.receivers.wire import WireError

STDIN = "-"
"""The path that means standard input."""

_GZIP_MAGIC = b"\x1f\x8b"
_PROTOBUF_NAMES = (".binpb", ".pb")
_JSON_NAMES = (".json", ".jsonl", ".ndjson")
_LINES_NAMES = (".jsonl", ".ndjson")
_SIGNAL_KEYS = ("resourceSpans", "resourceLogs", "resourceMetrics")

Progress = Callable[[int], None]


class UnreadableFile(Exception):
    """A file that cannot be read as telemetry.

    Attributes:
        path: The file as it was named; ``-`` is standard input.
        problem: What is wrong, without any of the file's content.
        place: Where: ``line N`` or ``byte N``; ``None`` for the whole file.
    """

    def __init__(self, path: str, problem: str, place: str | None = None) -> None:
        super().__init__(f"{path}: {problem}" + (f" ({place})" if place else ""))
        self.path = path
        self.problem = problem
        self.place = place


def read_file(
    path: Path | str, limits: ReceiverLimits, progress: Progress | None = None, stdin: BinaryIO | None = None
) -> Iterator[Batch]:
    """Read a file of OTLP protobuf or OTLP/JSON, one batch after another.

    Args:
        path: The file; ``-`` is standard input.
        limits: What one JSON document, line or resource record may hold.
        progress: Called with the number of bytes read so far, as they are on disk, after each batch.
        stdin: What to read for ``-`` instead of the process's standard input.

    Raises:
        UnreadableFile: It cannot be opened, or holds something else; batches before the fault were given.
    """
    name = str(path)
    try:
        with _open(name, stdin) as raw:
            counted = _Counted(raw)
            for batch in _batches(name, _unzipped(io.BufferedReader(counted)), limits):
                yield batch
                if progress is not None:
                    progress(counted.count)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise UnreadableFile(name, "the gzip data is broken or ends too early") from None
    except OSError as error:
        raise UnreadableFile(name, f"cannot be read: {error.strerror or type(error).__name__}") from None


def _open(name: str, stdin: BinaryIO | None) -> AbstractContextManager[BinaryIO]:
    if name == STDIN:
        return nullcontext(sys.stdin.buffer if stdin is None else stdin)  # not ours to close
    return Path(name).open("rb", buffering=0)


class _Counted(io.RawIOBase):
    """A raw stream that counts what was read of it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed wants its own Buffer
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


def _unzipped(stream: io.BufferedReader) -> io.BufferedReader:
    if stream.peek(2)[:2] == _GZIP_MAGIC:
        return io.BufferedReader(gzip.GzipFile(fileobj=stream))
    return stream


def _batches(name: str, stream: io.BufferedReader, limits: ReceiverLimits) -> Iterator[Batch]:
    bare = name.lower().removesuffix(".gz")
    if bare.endswith(_JSON_NAMES) or (not bare.endswith(_PROTOBUF_NAMES) and _looks_like_json(stream)):
        return _json_batches(name, stream, limits, only_lines=bare.endswith(_LINES_NAMES))
    return _protobuf_batches(name, stream, limits)


def _looks_like_json(stream: io.BufferedReader) -> bool:
    """Whether the first byte is that of an object. A line feed is not skipped: protobuf starts with that byte."""
    return stream.peek(64)[:64].lstrip(b" \t\r").startswith(b"{")


def _protobuf_batches(name: str, stream: BinaryIO, limits: ReceiverLimits) -> Iterator[Batch]:
    try:
        for chunk in chunks(stream, limits):
            decode = logs_from_protobuf if chunk.holds_logs else traces_from_protobuf
            try:
                yield decode(chunk.data, Source.FILE, limits)
            except Refused as refused:
                raise UnreadableFile(name, str(refused), f"counted from byte {chunk.offset}") from None
    except WireError as error:
        raise UnreadableFile(name, f"is not OTLP protobuf: {error.problem}", f"byte {error.at}") from None


def _json_batches(name: str, stream: BinaryIO, limits: ReceiverLimits, *, only_lines: bool) -> Iterator[Batch]:
    """Read a document a line, or one document over many lines: that is what it is if its first line is none."""
    number = 0
    while line := stream.readline(limits.request_bytes + 1):
        number += 1
        if number == 1 and not only_lines and not _is_document(line, limits):
            line += stream.read(limits.request_bytes + 1)
        if len(line) > limits.request_bytes:
            problem = f"a JSON document is larger than the limit of {limits.request_bytes} bytes (limits.request)"
            raise UnreadableFile(name, problem, f"line {number}")
        if line.strip():
            yield from _document_batches(name, line, number, limits)


def _is_document(line: bytes, limits: ReceiverLimits) -> bool:
    try:
        load(line, limits)
    except Refused:
        return False
    return True


def _document_batches(name: str, line: bytes, number: int, limits: ReceiverLimits) -> Iterator[Batch]:
    try:
        document = load(line, limits)
        if not any(key in document for key in _SIGNAL_KEYS):
            raise UnreadableFile(name, f"the JSON object has none of {', '.join(_SIGNAL_KEYS)}", f"line {number}")
        if "resourceSpans" in document:
            spans = to_protobuf(document, ExportTraceServiceRequest())
            yield traces_from_protobuf(spans, Source.FILE, limits)
        if "resourceLogs" in document:
            yield logs_from_protobuf(to_protobuf(document, ExportLogsServiceRequest()), Source.FILE, limits)
    except Refused as refused:
        raise UnreadableFile(name, str(refused), f"line {number}") from None
