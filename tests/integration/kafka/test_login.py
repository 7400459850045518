"""Every way to log in at a real Kafka, for the client that reads and the one that writes dead letters."""

import base64
import json

import brokers
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka_senders import QUICK_CLIENT, send, some_spans
from servers import eventually, until

from collector.receivers.kafka.assignor import ColocatingAssignor
from collector.receivers.kafka.client import Complaints, GroupConsumer
from collector.receivers.kafka.options import Content, KafkaOptions, consumer_config, producer_config

REFUSED = "Authentication failed: Invalid username or password"
WAYS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "TLS")


def a_token(user: str) -> str:
    """An unsigned JSON web token: the test's broker believes it."""
    parts = ({"alg": "none"}, {"sub": user, "iat": 0, "exp": 4_000_000_000})
    return ".".join([base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts] + [""])


@pytest.fixture
def options(kafka, tmp_path):
    """Options that log in one way; with a ``secret`` of its own, they try to."""

    def make(how: str, secret: str | None = None) -> KafkaOptions:
        secrets = {"PLAIN": brokers.PLAIN_PASSWORD, "OAUTHBEARER": a_token(brokers.USER)}
        file = tmp_path / "secret"
        file.write_text(secret or secrets.get(how, brokers.SCRAM_PASSWORD))
        client = {**QUICK_CLIENT, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": how}
        if how == "TLS":
            client = {**QUICK_CLIENT, "security_protocol": "SSL", "ssl_cafile": str(kafka.broker.authority)}
        elif how != "OAUTHBEARER":
            client["sasl_plain_username"] = brokers.USER
        return KafkaOptions(
            (kafka.broker.address("TLS" if how == "TLS" else "SASL"),),
            kafka.group,
            {kafka.topic("traces"): Content.TRACES},
            tmp_path,
            token_file=file if how == "OAUTHBEARER" else None,
            password_file=file if "sasl_plain_username" in client else None,
            client=client,
        )

    kafka.create("traces")
    return make


@pytest.mark.parametrize("how", WAYS)
def test_every_way_to_log_in_reads_and_writes(kafka, options, how):
    send(kafka, "traces", some_spans(1))
    config = options(how)
    producer = KafkaProducer(**producer_config(config))
    producer.send(kafka.topic("traces"), some_spans(2)).get(10)
    producer.close(timeout=5)
    consumer = GroupConsumer(**consumer_config(config, ColocatingAssignor()))
    try:
        consumer.subscribe(topics=list(config.topics))
        found: list = []
        until("both are read", lambda: found.extend(*consumer.poll(200).values() or ([],)) or len(found) == 2)
    finally:
        consumer.close()


def test_a_wrong_password_is_told_and_does_not_hang(options):
    complaints = Complaints()
    complaints.listen()
    config = consumer_config(options("PLAIN", "wrong"), ColocatingAssignor())

    def told() -> str | None:
        with pytest.raises(KafkaError):
            GroupConsumer(**config)
        return complaints.last

    # The client gives up after two seconds; the receiver tries again, as here, if it could not even ask by then.
    assert eventually(told, REFUSED) == REFUSED
