"""Several servers share a group and a store: partitions change hands, and each trace has one verdict per check."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from kafka_senders import TOPICS, consuming, done, send, send_keyed, some_spans, trace_id
from otlp import a_trace_request
from servers import Serving, eventually, until

CHECKS = 4
PARTITIONS = 6
SLOW = {"SIDECHECK_ASSEMBLY__SETTLE": "2s", "SIDECHECK_ASSEMBLY__IDLE": "60s"}
"""Traces stay open for long enough to be open when their partition changes hands."""


@pytest.fixture
def replica(kafka, postgres_url, tmp_path):
    """``replica("name")`` is one more server on the same group and store."""

    @contextmanager
    def one(name: str, **more: str) -> Iterator[Serving]:
        with consuming(kafka, tmp_path / name, SIDECHECK_STORE__URL=postgres_url, **more) as server:
            yield server

    kafka.create(*TOPICS, partitions=PARTITIONS)
    return one


@pytest.fixture
def stored(postgres_url):
    """What is in the store: spans that were judged, and verdicts, by trace id."""

    def ask() -> dict[str, tuple[int, int]]:
        engine = sa.create_engine(postgres_url)
        judged = "SELECT count(*) FROM outcome_set_checks c WHERE c.outcome_set = t.outcome_set"
        query = f"SELECT trace_id, span_count, ({judged}) FROM traces t"
        try:
            with engine.connect() as connection:
                return {row[0]: (row[1], row[2]) for row in connection.execute(sa.text(query))}
        finally:
            engine.dispose()

    return ask


def owned(server: Serving) -> int:
    """The partitions of traces that a server reads."""
    text = [line for line in server.metrics_text().splitlines() if line.startswith("sidecheck_kafka_lag{")]
    return sum("-traces" in line for line in text)


def test_a_trace_that_is_split_by_a_rebalance_meets_in_one_verdict(kafka, replica, stored):
    numbers = range(1, 31)
    with replica("first", **SLOW) as first:
        until("the first has all", lambda: owned(first) == PARTITIONS)
        send_keyed(kafka, *numbers, positions=(2, 3))
        until("they are open", lambda: first.metric("sidecheck_kafka_records_total") == len(numbers))
        with replica("second", **SLOW) as second:
            until("each has half", lambda: (owned(first), owned(second)) == (3, 3))
            send_keyed(kafka, *numbers, positions=(1, 4))
            done(kafka, "traces")
            wanted = {trace_id(n): (4, CHECKS) for n in numbers}
            assert eventually(stored, wanted) == wanted
            counts = [server.traces() for server in (first, second)]
            assert sum(c["evaluated"] for c in counts) == len(numbers)
            assert all(c["evaluated"] for c in counts)
            for c in counts:
                assert c["accepted"] == c["evaluated"] + c["open"] + c["dropped"]
                assert (c["open"], c["dropped"]) == (0, 0)


def test_another_replica_takes_over_from_one_that_is_killed(kafka, replica, stored):
    with replica("second", **SLOW) as second, replica("first", **SLOW) as first:
        until("each has half", lambda: (owned(first), owned(second)) == (3, 3))
        send_keyed(kafka, *range(1, 41), positions=(2,))
        until("some are open", lambda: first.metric("sidecheck_kafka_records_total"))
        first.stop(signal.SIGKILL)
        send_keyed(kafka, *range(1, 41), positions=(1,))
        until("the second has all", lambda: owned(second) == PARTITIONS)
        done(kafka, "traces")
        wanted = {trace_id(n): (2, CHECKS) for n in range(1, 41)}
        assert eventually(stored, wanted) == wanted


def test_a_server_that_stops_hands_its_open_traces_to_the_next(kafka, replica, stored):
    with replica("first", **SLOW) as first:
        until("the first has all", lambda: owned(first) == PARTITIONS)
        send_keyed(kafka, *range(1, 11), positions=(2,))
        until("they are open", lambda: first.metric("sidecheck_kafka_records_total") == 10)
        first.stop()
    assert stored() == {}
    with replica("second", **SLOW):
        send_keyed(kafka, *range(1, 11), positions=(1,))
        done(kafka, "traces")
        wanted = {trace_id(n): (2, CHECKS) for n in range(1, 11)}
        assert eventually(stored, wanted) == wanted


def test_feedback_through_any_replica_promotes_the_trace(kafka, replica):
    with replica("first") as first, replica("second") as second:
        until("each has half", lambda: (owned(first), owned(second)) == (3, 3))
        send_keyed(kafka, *range(1, 9))
        for number in range(1, 9):
            first.judged(trace_id(number))
        half = (f'{{"trace_id": "{trace_id(n)}", "thumbs_up": false}}'.encode() for n in range(1, 5))
        send(kafka, "feedback", *half)
        for number in range(5, 9):
            server = (first, second)[number % 2]
            server.post("/v1/feedback", {"trace_id": trace_id(number), "thumbs_up": False}).raise_for_status()
        for number in range(1, 9):
            assert eventually(lambda n=number: first.outcomes(trace_id(n)).get("user_feedback"), "failed") == "failed"


REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'held' USING ERRCODE = '55P03'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON traces FOR EACH ROW WHEN (NEW.trace_id = '{}') EXECUTE FUNCTION refuse();
"""
"""PostgreSQL says of one trace, each time, that a lock was not released in time."""


def test_a_trace_that_the_store_goes_on_refusing_while_it_takes_others_becomes_a_dead_letter(
    kafka, replica, stored, postgres_url
):
    kafka.create("dead")
    with replica("only", SIDECHECK_KAFKA__DEAD_LETTER_TOPIC=kafka.topic("dead")) as server:
        engine = sa.create_engine(postgres_url)
        with engine.begin() as connection:
            connection.exec_driver_sql(REFUSES.format(trace_id(2)))
        engine.dispose()
        send(kafka, "traces", some_spans(2))
        until("it is refused", lambda: "released in time" in str(server.health()))
        send(kafka, "traces", some_spans(1), some_spans(3))
        done(kafka, "traces", within_s=90)
        assert set(stored()) == {trace_id(1), trace_id(3)}
        assert server.metric("sidecheck_dropped_total", what="record", reason="store_retries") == 1
    (letter,) = kafka.records("dead")
    told = dict(letter.headers)
    assert told["sidecheck.error"] == b"store_retries"
    assert a_trace_request().FromString(letter.value) == a_trace_request().FromString(some_spans(2))
