"""Files of telemetry are read in portions, and what is wrong with one is said in a sentence."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp import OTHER_TRACE, TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request, as_otlp_json, recorded

from collector.intake import Batch, Refusal, Source
from collector.receivers import file_records
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.files import UnreadableFile, read_file
from collector.receivers.limits import ReceiverLimits

LIMITS = ReceiverLimits()
ONE = a_trace_request()
OTHER = a_trace_request(a_proto_span(trace_id=OTHER_TRACE))


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def trace_ids(batches: Iterator[Batch]) -> list[str]:
    return [piece.trace_id for batch in batches for piece in batch.pieces]


def problem_of(path: Path | str, limits: ReceiverLimits = LIMITS) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        list(read_file(path, limits))
    return caught.value


@pytest.mark.parametrize("path", [*recorded("tool_*.binpb"), *recorded("qa*.binpb")], ids=lambda p: p.name)
def test_a_recording_is_read_as_its_bytes_are_decoded(path):
    decode = logs_from_protobuf if path.name.endswith(".logs.binpb") else traces_from_protobuf
    assert list(read_file(path, LIMITS)) == [decode(path.read_bytes(), Source.FILE, LIMITS)]


def test_requests_one_after_another_are_one_file(tmp_path):
    path = written(tmp_path, "two.binpb", ONE.SerializeToString() + OTHER.SerializeToString())
    assert trace_ids(read_file(path, LIMITS)) == [TRACE.hex(), OTHER_TRACE.hex()]


def test_traces_and_logs_in_one_file_are_told_apart(tmp_path):
    content = ONE.SerializeToString() + a_logs_request().SerializeToString() + OTHER.SerializeToString()
    batches = list(read_file(written(tmp_path, "mixed.binpb", content), LIMITS))
    assert [(b.span_count, sum(p.log_count for p in b.pieces)) for b in batches] == [(1, 0), (0, 1), (1, 0)]


def test_a_large_file_is_read_in_portions(tmp_path):
    content = b"".join(
        a_trace_request(a_proto_span(trace_id=number.to_bytes(16), name="x" * 10_000)).SerializeToString()
        for number in range(1, 301)
    )
    sizes = [sum(p.size for p in batch.pieces) for batch in read_file(written(tmp_path, "l.binpb", content), LIMITS)]
    assert (len(sizes), sum(sizes)) == (3, len(content))
    assert max(sizes) <= file_records.CHUNK_BYTES


def test_json_lines_are_read_one_by_one(tmp_path):
    content = b"\n".join([as_otlp_json(ONE), b"", as_otlp_json(a_logs_request()), as_otlp_json(OTHER)]) + b"\n"
    batches = list(read_file(written(tmp_path, "t.jsonl", content), LIMITS))
    assert [b.pieces[0].trace_id for b in batches] == [TRACE.hex(), TRACE.hex(), OTHER_TRACE.hex()]
    assert batches[1].pieces[0].log_count == 1


def test_lines_end_with_a_line_feed_only(tmp_path):
    request = a_trace_request(a_proto_span(name="one\u2028two\u0085three"))
    line = json.dumps(json.loads(as_otlp_json(request)), ensure_ascii=False).encode()
    assert trace_ids(read_file(written(tmp_path, "t.jsonl", line), LIMITS)) == [TRACE.hex()]


def test_one_document_may_be_spread_over_lines(tmp_path):
    content = json.dumps(json.loads(as_otlp_json(ONE)), indent=2).encode()
    assert trace_ids(read_file(written(tmp_path, "t.json", content), LIMITS)) == [TRACE.hex()]


def test_lines_in_a_json_file_are_read_too(tmp_path):
    content = as_otlp_json(ONE) + b"\n" + as_otlp_json(OTHER)
    assert trace_ids(read_file(written(tmp_path, "t.json", content), LIMITS)) == [TRACE.hex(), OTHER_TRACE.hex()]


def test_a_document_of_traces_and_logs_gives_both(tmp_path):
    both = {**json.loads(as_otlp_json(ONE)), **json.loads(as_otlp_json(a_logs_request()))}
    batches = list(read_file(written(tmp_path, "t.json", json.dumps(both).encode()), LIMITS))
    assert [(b.span_count, sum(p.log_count for p in b.pieces)) for b in batches] == [(1, 0), (0, 1)]


def test_metrics_in_a_file_are_left_out(tmp_path):
    assert list(read_file(written(tmp_path, "t.jsonl", b'{"resourceMetrics":[]}'), LIMITS)) == []


@pytest.mark.parametrize("name", ["t.jsonl.gz", "t.json"])
def test_a_compressed_file_is_unpacked(tmp_path, name):
    assert trace_ids(read_file(written(tmp_path, name, gzip.compress(as_otlp_json(ONE))), LIMITS)) == [TRACE.hex()]


@pytest.mark.parametrize(
    "content",
    [
        ONE.SerializeToString(),
        as_otlp_json(ONE),
        b"  " + json.dumps(json.loads(as_otlp_json(ONE)), indent=1).encode(),
        gzip.compress(ONE.SerializeToString()),
    ],
    ids=["protobuf", "json line", "json document", "gzip"],
)
def test_standard_input_is_recognised(content):
    assert trace_ids(read_file("-", LIMITS, stdin=io.BytesIO(content))) == [TRACE.hex()]


def test_protobuf_whose_length_byte_is_a_brace_is_not_json():
    """A request whose resource is 123 bytes long starts with a line feed and a brace."""
    request = a_trace_request(service="")
    size = len(request.resource_spans[0].SerializeToString())
    content = a_trace_request(service="x" * (123 - size)).SerializeToString()
    assert content.startswith(b"\n{")
    assert trace_ids(read_file("-", LIMITS, stdin=io.BytesIO(content))) == [TRACE.hex()]


def test_standard_input_is_left_open():
    stdin = io.BytesIO(ONE.SerializeToString())
    list(read_file("-", LIMITS, stdin=stdin))
    assert not stdin.closed


def test_bad_records_are_rejected_and_the_rest_is_read(tmp_path):
    content = a_trace_request(a_proto_span(), a_proto_span(span_id=b"")).SerializeToString()
    (batch,) = read_file(written(tmp_path, "t.binpb", content), LIMITS)
    assert (batch.span_count, batch.rejected) == (1, {Refusal.INVALID_ID: 1})


def test_log_records_without_a_trace_are_left_out(tmp_path):
    content = a_logs_request(a_log_record(trace_id=b""), a_log_record()).SerializeToString()
    (batch,) = read_file(written(tmp_path, "t.logs.binpb", content), LIMITS)
    assert batch.rejected == {Refusal.NO_TRACE_ID: 1}


def test_an_empty_file_holds_nothing(tmp_path):
    assert list(read_file(written(tmp_path, "empty.binpb", b""), LIMITS)) == []


def test_progress_is_told_in_bytes_of_the_file(tmp_path):
    path = written(tmp_path, "t.jsonl.gz", gzip.compress(as_otlp_json(ONE) + b"\n" + as_otlp_json(OTHER)))
    told: list[int] = []
    list(read_file(path, LIMITS, told.append))
    assert len(told) == 2
    assert told[-1] == path.stat().st_size


def test_a_file_that_is_not_there_is_said_to_be(tmp_path):
    problem = problem_of(tmp_path / "none.binpb")
    assert str(problem) == f"{tmp_path / 'none.binpb'}: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path):
    assert "Is a directory" in str(problem_of(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "place", "words"),
    [
        ("t.binpb", ONE.SerializeToString()[:-1], "byte 0", "ends inside a record"),
        ("t.binpb", ONE.SerializeToString() + b"\x0a", None, "ends inside a record"),
        ("t.binpb", b"this is plain text", "byte 0", "is not OTLP protobuf"),
        ("notes", b"# Notes\n", "byte 0", "is not OTLP protobuf"),
        ("t.binpb", b"\x0a\x05\x12\x03\x12\x01\x2a", "counted from byte 0", "not valid OTLP protobuf"),
        ("t.jsonl", as_otlp_json(ONE) + b"\n{\n", "line 2", "not valid JSON"),
        ("t.json", b'{"a":\n oops}', "line 1", "not valid JSON at line 2"),
        ("t.json", b'{"input": "my secret"}', "line 1", "none of resourceSpans, resourceLogs"),
        ("t.json", b"[]", "line 1", "must be a JSON object"),
        ("t.jsonl", b'{"resourceSpans":[{"scopeSpans":{}}]}', "line 1", "resourceSpans[0].scopeSpans must be an array"),
        ("t.jsonl.gz", gzip.compress(as_otlp_json(ONE), mtime=0)[:-9], None, "gzip data is broken or ends too early"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, name, content, place, words):
    problem = problem_of(written(tmp_path, name, content))
    assert words in problem.problem
    assert "secret" not in str(problem)
    if place is not None:
        assert problem.place == place


@pytest.mark.parametrize("name", ["t.binpb", "t.json", "t.jsonl"])
def test_one_record_over_the_limit_is_refused_before_it_is_read(tmp_path, name):
    request = a_trace_request(a_proto_span(name="x" * 5_000))
    content = request.SerializeToString() if name == "t.binpb" else as_otlp_json(request)
    problem = problem_of(written(tmp_path, name, content), ReceiverLimits(request_bytes=1_000))
    assert "the limit of 1000" in problem.problem


def test_what_stands_before_the_fault_is_given(tmp_path):
    batches = read_file(written(tmp_path, "t.jsonl", as_otlp_json(ONE) + b"\nnonsense"), LIMITS)
    assert next(batches).span_count == 1
    with pytest.raises(UnreadableFile):
        next(batches)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_content_is_read_or_refused(data):
    seed = data.draw(
        st.sampled_from([b"", ONE.SerializeToString(), as_otlp_json(ONE), gzip.compress(as_otlp_json(ONE))])
    )
    place = data.draw(st.integers(0, len(seed)))
    content = seed[:place] + data.draw(st.binary(max_size=20)) + seed[place + data.draw(st.integers(0, 5)) :]
    try:
        list(read_file("-", LIMITS, stdin=io.BytesIO(content)))
    except UnreadableFile as problem:
        assert problem.path == "-"  # noqa: PT017  # either way is right
