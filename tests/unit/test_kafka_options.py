"""Which options of the client are the user's, and what the clients are made with."""

from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from collector.receivers.kafka.assignor import ColocatingAssignor
from collector.receivers.kafka.options import (
    DEFAULTS,
    OWNED,
    Content,
    KafkaOptions,
    consumer_config,
    problems,
    producer_config,
)


def some_options(**parts) -> KafkaOptions:
    return KafkaOptions(("k:1", "k:2"), "group", {"t": Content.TRACES}, Path("/tmp"), **parts)


def test_what_is_owned_or_has_a_default_of_ours_is_an_option_of_the_client():
    assert OWNED.keys() | DEFAULTS.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()
    assert not OWNED.keys() & DEFAULTS.keys()


def test_every_other_option_of_the_client_can_be_set_to_its_own_default():
    free = {key: value for key, value in KafkaConsumer.DEFAULT_CONFIG.items() if key not in OWNED}
    assert list(problems(free)) == []
    assert len(free) > 40


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ({"enable_auto_commit": True}, "is not yours to set: an offset is committed once"),
        ({"group_id": "x"}, "is not yours to set: set kafka.group_id"),
        ({"partition_assignment_strategy": ["range"]}, "is not yours to set"),
        ({"session_timeout": 5}, "is no option of the Kafka consumer"),
        ({"session_timeout_ms": "soon"}, "must be a whole number"),
        ({"session_timeout_ms": True}, "must be a whole number"),
        ({"check_crcs": "no"}, "must be true or false"),
        ({"client_id": 5}, "must be text"),
        ({"ssl_cafile": {"a": 1}}, "must be a single value"),
    ],
)
def test_an_option_that_cannot_be_is_told_by_its_name(client, text):
    ((name, problem),) = problems(client)
    assert name in client
    assert problem.startswith(text)


def test_the_consumer_gets_the_users_options_and_ours_stand():
    assignor = ColocatingAssignor()
    config = consumer_config(some_options(client={"session_timeout_ms": 9_000, "fetch_max_bytes": 1}), assignor)
    assert (config["session_timeout_ms"], config["fetch_max_bytes"]) == (9_000, 1)
    assert (config["group_id"], config["enable_auto_commit"]) == ("group", False)
    assert config["partition_assignment_strategy"] == [assignor]
    assert config["bootstrap_servers"] == ["k:1", "k:2"]
    assert config.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()


def test_secrets_come_from_files_and_a_token_is_read_for_each_login(tmp_path):
    password, token = tmp_path / "password", tmp_path / "token"
    password.write_text("secret\n")
    token.write_text("first\n")
    options = some_options(password_file=password, token_file=token)
    config = consumer_config(options, ColocatingAssignor())
    assert config["sasl_plain_password"] == "secret"
    provider = config["sasl_oauth_token_provider"]
    assert provider.token() == "first"
    token.write_text("second")
    assert provider.token() == "second"


def test_a_producer_logs_in_as_the_consumer_does_and_knows_every_option_it_gets():
    client = {"security_protocol": "SSL", "ssl_cafile": "ca.crt", "session_timeout_ms": 9_000}
    config = producer_config(some_options(client=client))
    assert (config["security_protocol"], config["ssl_cafile"], config["acks"]) == ("SSL", "ca.crt", "all")
    assert config.keys() <= KafkaProducer.DEFAULT_CONFIG.keys()
