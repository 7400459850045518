"""The parts of forgetting that need neither store nor clock: taking telemetry apart, and telling whose it is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from otlp import a_log_record, a_logs_request
from pipeline_fakes import a_piece, text, trace_id

from checks.trace import CloseReason
from collector.pipeline.assembler import assemble
from collector.pipeline.belonging import belonging, names
from collector.pipeline.journal_erasure import erase
from collector.pipeline.journal_file import connect
from collector.pipeline.journal_recovery import recover
from collector.pipeline.splitting import by_trace, joined, without
from exporters.store import ForgetTarget

ANN = ForgetTarget(user_id="ann")
PIECES = [a_piece(1, 1), a_piece(2, 1, 2), a_piece(1, 2, service="desk"), a_piece(3, logs=2)]
TOGETHER = joined((piece.spans, piece.logs) for piece in PIECES)


def assembled(number, telemetry):
    return assemble(trace_id(number), *telemetry, CloseReason.IDLE)


def test_telemetry_is_taken_apart_by_trace_and_nothing_is_lost():
    parts = by_trace(TOGETHER)
    assert set(parts) == {trace_id(1), trace_id(2), trace_id(3)}
    for number in (1, 2, 3):
        assert assembled(number, parts[trace_id(number)]) == assembled(number, TOGETHER)


@given(st.sets(st.integers(1, 4)))
def test_what_is_left_without_some_traces_is_all_of_the_others(gone):
    rest = without(TOGETHER, {trace_id(number) for number in gone})
    assert set(by_trace(rest)) == {trace_id(number) for number in {1, 2, 3} - gone}
    for number in {1, 2, 3} - gone:
        assert assembled(number, rest) == assembled(number, TOGETHER)


def of_ann(*attributes, logs=b""):
    return belonging(ANN, [(trace_id(1), (a_piece(1, attributes=list(attributes)).spans, logs))])


def feedback_log(body):
    """A feedback event of the trace's, in a log record."""
    record = a_log_record(
        trace_id=bytes.fromhex(trace_id(1)),
        event_name="gen_ai.user.feedback",
        body=body,
        attributes=[text("gen_ai.user.feedback.score", "up")],
    )
    return a_logs_request(record).SerializeToString()


def test_a_trace_belongs_to_the_user_that_it_names():
    assert of_ann(text("user.id", "ann")) == {trace_id(1)}
    assert of_ann(text("enduser.id", "ann")) == {trace_id(1)}


def test_a_trace_in_which_the_name_only_occurs_does_not():
    assert of_ann(text("note", "ann called"), text("user.id", "anna")) == set()


def test_a_trace_belongs_to_the_session_that_it_names():
    traces = [(trace_id(1), (a_piece(1, attributes=[text("session.id", "s")]).spans, b""))]
    assert belonging(ForgetTarget(session_id="s"), traces) == {trace_id(1)}
    assert belonging(ForgetTarget(user_id="s"), traces) == set()


@pytest.mark.parametrize("written", ['{"user_id": "ann", "value": "up"}', '{"user_id": "\\u0061nn", "value": "up"}'])
def test_a_user_who_gave_feedback_within_json_in_a_log_record_is_found_however_it_is_escaped(written):
    assert of_ann(logs=feedback_log(AnyValue(string_value=written))) == {trace_id(1)}


@pytest.mark.parametrize("number", [0, 7, 127, 128, 4711, 2**40, 2**62])
def test_a_user_whose_id_is_recorded_as_a_number_is_found(number):
    target = ForgetTarget(user_id=str(number))
    spans = a_piece(1, attributes=[KeyValue(key="user.id", value=AnyValue(int_value=number))]).spans
    assert belonging(target, [(trace_id(1), (spans, b""))]) == {trace_id(1)}
    assert names(target, spans)


def test_unread_telemetry_names_a_user_by_a_whole_value_only():
    assert names(ANN, a_piece(1, attributes=[text("any.key", "ann")]).spans)
    assert not names(ANN, a_piece(1, attributes=[text("any.key", "anna ann")]).spans)


def test_an_id_that_is_no_text_belongs_to_nobody():
    assert belonging(ForgetTarget(user_id="\udcff"), [(trace_id(1), (a_piece(1).spans, b""))]) == set()


def test_what_the_journal_deleted_long_ago_is_erased_too(tmp_path):
    path = tmp_path / "journal.db"
    with contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        for number in range(100):
            values = (b"long gone " * number * 10, b"", 0)
            connection.execute("INSERT INTO entries (source, traces, logs, checksum) VALUES ('file', ?, ?, ?)", values)
        connection.execute("DELETE FROM entries")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert b"long gone" in path.read_bytes()
        assert erase(connection, [trace_id(1)])
    assert b"long gone" not in path.read_bytes()
    assert recover(path).moved_to is None


def test_a_reader_that_holds_on_leaves_remains_in_the_journal_and_the_answer_says_so(tmp_path):
    path = tmp_path / "journal.db"
    with contextlib.closing(connect(path)) as connection, contextlib.closing(connect(path)) as reader:
        connection.execute("PRAGMA busy_timeout = 10")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        assert not erase(connection, [trace_id(1)])
