"""``sidecheck relay`` before a real Kafka: what it acknowledged is there, what it cannot write is refused for now."""

import signal
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import brokers
import grpc
import httpx
import orjson
import pytest
from certificates import Authority
from guarded_servers import TOKEN, a_token_file
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request
from otlp_senders import LOGS, SENDERS, by_grpc, by_http, post
from servers import CLIENT, LISTENERS, Serving, eventually, run_sidecheck, serving, until

from collector.intake import Source
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.limits import ReceiverLimits

pytestmark = pytest.mark.timeout(300)
LIMITS = ReceiverLimits()
WELL = {"status": "ok", "problems": []}
KINDS = ("traces", "logs", "feedback")


def topics_of(corner: brokers.Corner) -> dict[str, str]:
    """The settings that name a test's topics."""
    named = {f"SIDECHECK_KAFKA__TOPICS__{kind.upper()}": corner.topic(kind) for kind in KINDS}
    return {"SIDECHECK_KAFKA__BOOTSTRAP_SERVERS": corner.broker.bootstrap, **named}


@contextmanager
def relaying(corner: brokers.Corner, tmp_path, **settings: str) -> Iterator[Serving]:
    with serving(tmp_path / "relay", command="relay", **topics_of(corner), **settings) as relay:
        yield relay


@pytest.fixture
def relay(kafka, tmp_path) -> Iterator[Serving]:
    """A relay that writes to topics of three partitions."""
    kafka.create(*KINDS, partitions=3)
    with relaying(kafka, tmp_path) as started:
        until("the topics are reached", lambda: started.health() == WELL)
        yield started


def a_request(number: int, *spans: int, **parts) -> bytes:
    """A request with these spans of the n-th trace."""
    made = [a_proto_span(trace_id=number.to_bytes(16), span_id=span.to_bytes(8), **parts) for span in spans or (1,)]
    return a_trace_request(*made).SerializeToString()


def written(kafka: brokers.Corner, kind: str = "traces") -> Counter:
    """How often each span (or log record) is in the topic: (trace id, span id)."""
    found: Counter = Counter()
    for record in kafka.records(kind):
        batch = traces_from_protobuf(record.value, Source.KAFKA, LIMITS)
        found.update((piece.trace_id, span) for piece in batch.pieces for span in piece.span_ids)
    return found


def test_what_was_acknowledged_is_in_the_topic_one_message_a_trace_keyed_by_it(relay, kafka):
    for number, send in enumerate(SENDERS.values(), start=1):
        send(relay, a_request(number, 1, 2) + a_request(100 + number))
    records = kafka.records("traces")
    ids = sorted(f"{number:032x}" for n in (1, 2, 3) for number in (n, 100 + n))
    assert sorted(record.key.decode() for record in records) == ids
    for record in records:
        (piece,) = traces_from_protobuf(record.value, Source.KAFKA, LIMITS).pieces
        assert piece.trace_id == record.key.decode()
    assert relay.metric("sidecheck_kafka_produced_total", topic=kafka.topic("traces")) == 6
    assert relay.metric("sidecheck_spans_accepted_total") == 9


def test_the_requests_of_one_trace_go_to_one_partition(relay, kafka):
    for span in range(1, 9):
        by_http(relay, a_request(7, span))
    assert len({record.partition for record in kafka.records("traces")}) == 1


def test_log_records_and_feedback_go_to_their_topics(relay, kafka):
    by_grpc(relay, a_logs_request(a_log_record()).SerializeToString(), LOGS)
    body = {"trace_id": "ab" * 16, "thumbs_up": False, "comment": "wrong"}
    answer = CLIENT.post(f"http://{relay.otlp_http}/v1/feedback", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "waiting")
    (log,) = kafka.records("logs")
    assert logs_from_protobuf(log.value, Source.KAFKA, LIMITS).pieces[0].log_count == 1
    (said,) = kafka.records("feedback")
    assert (said.key.decode(), orjson.loads(said.value)["comment"]) == ("ab" * 16, "wrong")


def test_a_sidecar_of_the_group_judges_what_the_relay_wrote(relay, kafka, tmp_path):
    settings = {**topics_of(kafka), "SIDECHECK_KAFKA__GROUP_ID": kafka.group}
    with serving(tmp_path / "sidecar", **settings) as sidecar:
        by_http(relay, a_request(1, 1))
        trace_id = f"{1:032x}"
        sidecar.judged(trace_id)
        body = {"trace_id": trace_id, "thumbs_up": False}
        CLIENT.post(f"http://{relay.otlp_http}/v1/feedback", json=body).raise_for_status()
        outcome = eventually(lambda: sidecar.outcomes(trace_id)["user_feedback"], "failed")
        assert outcome == "failed"


def test_tokens_and_certificates_hold_at_the_relay_over_both_transports(kafka, tmp_path):
    kafka.create(*KINDS)
    authority = Authority(tmp_path / "pki")
    server = authority.issue()
    tls = f"{{cert: {server.cert}, key: {server.key}}}"
    tokens = a_token_file(tmp_path)
    doors = {
        f"SIDECHECK_OTLP__{port}__{key}": value
        for port in ("GRPC", "HTTP")
        for key, value in (("TLS", tls), ("TOKEN_FILE", str(tokens)))
    }
    trusted = ssl.create_default_context(cafile=str(authority.cert))
    channel_tls = grpc.ssl_channel_credentials(authority.cert.read_bytes())
    with relaying(kafka, tmp_path, **doors) as relay:
        until("the topics are reached", lambda: relay.health() == WELL)
        with (
            httpx.Client(verify=trusted, timeout=30) as client,
            grpc.secure_channel(relay.otlp_grpc, channel_tls) as channel,
        ):
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            url, kind = f"https://{relay.otlp_http}/v1/traces", {"Content-Type": "application/x-protobuf"}
            assert client.post(url, content=a_request(1), headers=kind).status_code == 401
            with pytest.raises(grpc.RpcError) as refused:
                export(a_request(2), timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            shown = f"Bearer {TOKEN}"
            client.post(url, content=a_request(3), headers={**kind, "Authorization": shown}).raise_for_status()
            export(a_request(4), metadata=(("authorization", shown),), timeout=10)
    assert {record.key.decode() for record in kafka.records("traces")} == {f"{n:032x}" for n in (3, 4)}


def test_a_relay_is_not_opened_to_others_without_a_token(tmp_path):
    settings = {"SIDECHECK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "SIDECHECK_DATA_DIR": str(tmp_path)}
    refused = run_sidecheck("relay", SIDECHECK_OTLP__HTTP__LISTEN="0.0.0.0:0", **settings)
    assert refused.returncode == 2
    assert "otlp.http" in refused.stderr
    assert "token_file" in refused.stderr


def test_bad_bytes_are_refused_as_at_the_sidecar(relay):
    assert post(relay, b"\xff\xff\xff").status_code == 400
    assert relay.metric("sidecheck_requests_refused_total", reason="malformed") == 1


def test_a_large_trace_passes_a_topic_with_the_usual_limit(relay, kafka):
    words = " ".join(f"word{n * 7919 % 10007}" for n in range(40_000))
    by_http(relay, a_request(5, *range(1, 12), name=words))
    assert len(written(kafka)) == 11
    assert len(kafka.records("traces")) > 1


def test_a_span_that_its_topic_never_takes_costs_the_others_nothing(kafka, tmp_path):
    kafka.create("traces", **{"max.message.bytes": "10000"})
    kafka.create("logs", "feedback")
    with relaying(kafka, tmp_path, SIDECHECK_RELAY__COMPRESSION="null") as relay:
        until("the topics are reached", lambda: relay.health() == WELL)
        by_http(relay, a_request(1) + a_request(2, name="x" * 20_000))
        assert written(kafka) == {(f"{1:032x}", (1).to_bytes(8)): 1}
        assert relay.metric("sidecheck_dropped_total", what="span", reason="too_large") == 1
        assert post(relay, a_request(3, name="x" * 20_000)).status_code == 413
        by_http(relay, a_request(4))


def test_while_the_broker_is_away_senders_are_told_to_come_again_and_it_recovers_alone(relay, kafka):
    by_http(relay, a_request(1))
    kafka.broker.stop()
    try:
        refused = post(relay, a_request(2))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        with pytest.raises(grpc.RpcError) as caught:
            by_grpc(relay, a_request(3))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert relay.health()["status"] == "degraded"
        assert CLIENT.get(f"http://{relay.metrics}/readyz").status_code == 200
        assert (
            "Retry-After"
            in CLIENT.post(
                f"http://{relay.otlp_http}/v1/feedback", json={"trace_id": "ab" * 16, "thumbs_up": True}
            ).headers
        )
    finally:
        kafka.broker.start()
    assert eventually(relay.health, WELL, 60) == WELL
    by_http(relay, a_request(2))
    found = written(kafka)
    assert {(f"{n:032x}", (1).to_bytes(8)) for n in (1, 2)} <= set(found)


def test_a_broker_that_is_killed_under_load_costs_nothing_that_was_acknowledged(relay, kafka):
    acknowledged: set[int] = set()
    numbers = iter(range(1, 100_000))
    lock, over = threading.Lock(), threading.Event()

    def send() -> None:
        while not over.is_set():
            with lock:
                number = next(numbers)
            while post(relay, a_request(number)).status_code != 200:
                if over.wait(0.2):
                    return
            acknowledged.add(number)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    try:
        until("some are acknowledged", lambda: len(acknowledged) > 50)
        kafka.broker.stop()
        until("senders are refused", lambda: relay.metric("sidecheck_requests_refused_total", reason="storage") > 4)
        before = len(acknowledged)
        kafka.broker.start()
        until("more are acknowledged", lambda: len(acknowledged) > before + 50, 90)
    finally:
        over.set()
        for sender in senders:
            sender.join()
        if kafka.broker.process.poll() is not None:
            kafka.broker.start()
    found = written(kafka)
    assert not [number for number in acknowledged if (f"{number:032x}", (1).to_bytes(8)) not in found]
    # What was refused after it had been sent, and was sent again: none is there more often than it was refused.
    assert sum(found.values()) - len(found) <= relay.metric("sidecheck_requests_refused_total", reason="storage")


def test_a_signal_ends_it_and_what_it_acknowledged_is_there(kafka, tmp_path):
    kafka.create(*KINDS)
    acknowledged: list[int] = []
    with relaying(kafka, tmp_path) as relay:
        until("the topics are reached", lambda: relay.health() == WELL)

        def send(first: int) -> None:
            for number in range(first, first + 1000):
                try:
                    if post(relay, a_request(number)).status_code != 200:
                        return
                except httpx.TransportError:  # it is gone
                    return
                acknowledged.append(number)

        senders = [threading.Thread(target=send, args=(1 + 1000 * n,)) for n in range(4)]
        for sender in senders:
            sender.start()
        until("some are acknowledged", lambda: len(acknowledged) > 20)
        assert relay.stop(signal.SIGTERM, within_s=20) == 0
        for sender in senders:
            sender.join()
    found = written(kafka)
    assert not [number for number in acknowledged if (f"{number:032x}", (1).to_bytes(8)) not in found]


def test_it_starts_without_a_broker_and_says_so(tmp_path):
    settings = {"SIDECHECK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "SIDECHECK_RELAY__ACKNOWLEDGED_WITHIN": "1s"}
    with serving(tmp_path / "relay", command="relay", **settings) as relay:
        assert relay.api is None
        assert post(relay, a_request(1)).status_code == 503
        assert "127.0.0.1:1" in relay.health()["problems"][0]
        assert relay.stop() == 0


def test_a_topic_that_does_not_exist_is_named(kafka, tmp_path):
    kafka.create("traces", "feedback")
    with relaying(kafka, tmp_path) as relay:
        until("it is named", lambda: any("does not exist" in problem for problem in relay.health()["problems"]))
        (problem,) = relay.health()["problems"]
        assert kafka.topic("logs") in problem
        by_http(relay, a_request(1))


def test_without_a_broker_or_a_topic_in_its_configuration_it_does_not_start(tmp_path):
    listen = {f"SIDECHECK_{name}__LISTEN": "127.0.0.1:0" for name in LISTENERS}
    ended = run_sidecheck("relay", SIDECHECK_DATA_DIR=str(tmp_path), SIDECHECK_KAFKA__TOPICS__LOGS="null", **listen)
    assert ended.returncode == 2
    assert "kafka.bootstrap_servers: is needed by sidecheck relay" in ended.stderr
    assert "kafka.topics.logs: is needed by sidecheck relay" in ended.stderr
    assert "Traceback" not in ended.stderr
