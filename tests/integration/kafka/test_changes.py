"""What changes under a server that reads a real Kafka: the broker, topics, partitions, offsets."""

import json

from kafka.structs import TopicPartition
from kafka_senders import TOPICS, consuming, done, send, send_keyed, some_spans, trace_id
from servers import CLIENT, Serving, eventually, until


def health(server: Serving) -> dict:
    """What ``/healthz`` says."""
    return CLIENT.get(f"http://{server.metrics}/healthz").json()


def evaluated(server: Serving) -> float:
    return server.metric("sidecheck_traces_evaluated_total")


def lines(server: Serving, event: str) -> list[str]:
    """The lines of the server's log that begin with ``event``."""
    (log,) = server.data_dir.parent.glob(f"{server.data_dir.name}.*.log")
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["event"] for line in found if line["event"].startswith(event)]


def test_a_broker_that_is_killed_makes_health_degraded_and_reading_goes_on_from_the_mark(kafka, tmp_path):
    kafka.create(*TOPICS)
    send(kafka, "traces", *(some_spans(n) for n in range(1, 21)))
    with consuming(kafka, tmp_path / "data") as server:
        assert eventually(lambda: evaluated(server), 20) == 20
        kafka.broker.stop()
        try:
            told = until("health is degraded", lambda: health(server).get("problems"))
            assert told[0].startswith(f"Kafka ({kafka.broker.bootstrap}) cannot be read: ")
        finally:
            kafka.broker.start()
        send(kafka, "traces", *(some_spans(n) for n in range(21, 41)))
        assert eventually(lambda: evaluated(server), 40) == 40
        done(kafka, "traces")
        assert eventually(lambda: health(server)["status"], "ok") == "ok"
        assert len(lines(server, "Kafka degraded")) == len(lines(server, "partitions taken over")) == 1


def test_a_server_starts_without_its_broker_and_reads_when_that_comes(kafka, tmp_path):
    kafka.create(*TOPICS)
    send(kafka, "traces", some_spans(1))
    kafka.broker.stop()
    try:
        with consuming(kafka, tmp_path / "data") as server:
            until("health is degraded", lambda: "Kafka" in str(health(server).get("problems")))
            kafka.broker.start()
            server.judged(trace_id(1))
    finally:
        if kafka.broker.process.poll() is not None:
            kafka.broker.start()


def test_partitions_and_topics_come_and_go(kafka, tmp_path):
    kafka.create("traces", "feedback")
    with consuming(kafka, tmp_path / "data") as server:
        send_keyed(kafka, *range(1, 11))
        assert eventually(lambda: evaluated(server), 10) == 10
        with kafka.broker.admin() as admin:
            admin.create_partitions({kafka.topic("traces"): 4})
        kafka.create("logs")  # it is not too late
        until("a new partition is read", lambda: kafka.committed("traces").keys() or send_keyed(kafka, 11))
        send_keyed(kafka, *range(100, 160))
        for number in (100, 159):
            server.judged(trace_id(number))
        done(kafka, "traces")
        assert len(kafka.ends("traces")) == 4
        with kafka.broker.admin() as admin:
            admin.delete_topics([kafka.topic("feedback")])
        send_keyed(kafka, *range(200, 220))
        server.judged(trace_id(219))
        done(kafka, "traces")
        kafka.create("feedback")
        send(kafka, "feedback", json.dumps({"trace_id": trace_id(219), "thumbs_up": False}).encode())
        assert eventually(lambda: server.outcomes(trace_id(219)).get("user_feedback"), "failed") == "failed"


def test_records_that_retention_deleted_first_are_counted_and_said_once(kafka, tmp_path):
    kafka.create(*TOPICS)
    send(kafka, "traces", *(some_spans(n) for n in range(1, 31)))
    at = TopicPartition(kafka.topic("traces"), 0)
    kafka.begin_at("traces", 10)
    with kafka.broker.admin() as admin:
        admin.delete_records({at: 25})
    with consuming(kafka, tmp_path / "data") as server:
        assert eventually(lambda: evaluated(server), 5) == 5
        assert server.metric("sidecheck_kafka_lost_records_total", topic=at.topic) == 15
        assert len(lines(server, "records were deleted")) == 1
        done(kafka, "traces")


def test_an_offset_beyond_the_end_begins_with_what_is_there(kafka, tmp_path):
    kafka.create(*TOPICS)
    send(kafka, "traces", *(some_spans(n) for n in range(1, 6)))
    kafka.begin_at("traces", 99)
    with consuming(kafka, tmp_path / "data") as server:
        assert eventually(lambda: evaluated(server), 5) == 5
        done(kafka, "traces")
        assert len(lines(server, "a partition begins anew")) == 1
