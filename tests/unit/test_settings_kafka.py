"""The section ``kafka``: what it takes, what it refuses, what it shows."""

from pathlib import Path

import pytest
from kafka.consumer.group import KafkaConsumer

from collector.part_options import kafka_options
from collector.receivers.kafka.options import Content, Encoding
from collector.settings import ConfigError, Settings, as_yaml, load, warnings


@pytest.fixture
def read(tmp_path):
    def read(text: str = "", **env: str) -> Settings:
        path = tmp_path / "sidecheck.yaml"
        path.write_text(text)
        return load(path, env)

    return read


@pytest.fixture
def refused(read):
    def refused(text: str = "", **env: str) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **env)
        return {problem.key: str(problem) for problem in caught.value.problems}

    return refused


def test_without_brokers_there_is_no_kafka():
    assert Settings().kafka.bootstrap_servers == ()
    assert Settings().kafka.topics.named == {
        "traces": "otlp_spans",
        "logs": "otlp_logs",
        "feedback": "sidecheck_feedback",
    }


def test_brokers_are_a_list_or_a_text_with_commas(read):
    for text in ("[a:1, 'b.c:2']", "'a:1, b.c:2'"):
        assert read(f"kafka: {{bootstrap_servers: {text}}}").kafka.bootstrap_servers == ("a:1", "b.c:2")
    assert read(SIDECHECK_KAFKA__BOOTSTRAP_SERVERS="a:1,b.c:2").kafka.bootstrap_servers == ("a:1", "b.c:2")
    assert read("kafka: {bootstrap_servers: ['[::1]:9092']}").kafka.bootstrap_servers == ("[::1]:9092",)


def test_the_options_of_the_client_can_be_set_one_by_one_in_the_environment(read):
    settings = read(
        "kafka: {consumer: {client_rack: a, fetch_min_bytes: 5}}",
        SIDECHECK_KAFKA__CONSUMER__SESSION_TIMEOUT_MS="9000",
        SIDECHECK_KAFKA__CONSUMER__CLIENT_RACK="b",
        SIDECHECK_KAFKA__HEADERS="{tenant: tenant.id}",
    )
    assert settings.kafka.consumer == {"client_rack": "b", "fetch_min_bytes": 5, "session_timeout_ms": 9000}
    assert settings.kafka.headers == {"tenant": "tenant.id"}


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("{bootstrap_servers: kafka}", "kafka.bootstrap_servers", "must be a list of host:port"),
        ("{bootstrap_servers: [1]}", "kafka.bootstrap_servers", "must be a list of host:port"),
        ("{group_id: ''}", "kafka.group_id", "must be the name of a consumer group"),
        ("{topics: {traces: 'a b'}}", "kafka.topics.traces", "must be a topic's name"),
        ("{topics: {traces: same, logs: same}}", "kafka.topics.logs", "'same' is the topic of traces already"),
        ("{topics: {spans: x}}", "kafka.topics.spans", "no such key"),
        ("{encoding: avro}", "kafka.encoding", "must be one of"),
        ("{headers: [a]}", "kafka.headers", "must be a section with one line a header"),
        ("{headers: {a: 5}}", "kafka.headers", "must be a section with one line a header"),
        ("{dead_letter_topic: otlp_spans}", "kafka.dead_letter_topic", "is a topic that is read"),
        ("{token_file: /nowhere}", "kafka.token_file", "there is no file /nowhere"),
        ("{consumer: [a]}", "kafka.consumer", "must be a section with options of the Kafka client"),
        ("{consumer: {sesion: 5}}", "kafka.consumer.sesion", "is no option of the Kafka consumer"),
        ("{consumer: {enable_auto_commit: true}}", "kafka.consumer.enable_auto_commit", "is not yours to set"),
        (
            "{bootstrap_servers: ['a:1'], topics: {traces: null, logs: null, feedback: null}}",
            "kafka.topics",
            "names no topic",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_rule(refused, text, key, said):
    problem = refused(f"kafka: {text}")[key]
    assert said in problem
    assert "line 1" in problem


def test_an_option_of_the_client_in_a_variable_is_told_by_that_variable(refused):
    problem = refused(SIDECHECK_KAFKA__CONSUMER__GROUP_ID="x")["kafka.consumer.group_id"]
    assert problem.endswith("(environment variable SIDECHECK_KAFKA__CONSUMER__GROUP_ID)")


def test_passwords_are_not_shown(read):
    settings = read("kafka: {consumer: {sasl_plain_password: hush, ssl_password: hush, sasl_mechanism: PLAIN}}")
    assert "hush" not in as_yaml(settings)
    assert "sasl_mechanism: PLAIN" in as_yaml(settings)
    assert "sasl_plain_password: hush" in as_yaml(settings, show_passwords=True)


def test_sections_may_be_left_empty(read):
    assert read("kafka: {topics: null, consumer: null, headers: null}") == Settings()


def test_kafka_with_a_store_that_replicas_cannot_share_is_warned_of(read):
    (warning,) = warnings(read("kafka: {bootstrap_servers: ['a:1']}"))
    assert "store.url" in warning
    assert warnings(read("kafka: {bootstrap_servers: ['a:1']}\nstore: {url: postgresql://h/x}")) == []


def test_the_receiver_is_told_all_of_it(read, tmp_path):
    secret = tmp_path / "secret"
    secret.touch()
    settings = read(
        f"kafka: {{bootstrap_servers: ['a:1'], group_id: g, encoding: otlp_json, topics: {{logs: null}}, "
        f"headers: {{a: b}}, dead_letter_topic: d, password_file: {secret}, consumer: {{client_rack: r}}}}\n"
        "data_dir: /data\n"
    )
    options = kafka_options(settings)
    assert (options.bootstrap_servers, options.group_id, options.encoding) == (("a:1",), "g", Encoding.JSON)
    assert options.topics == {"otlp_spans": Content.TRACES, "sidecheck_feedback": Content.FEEDBACK}
    assert (options.headers, options.dead_letter_topic, options.client) == ({"a": "b"}, "d", {"client_rack": "r"})
    assert (options.folder, options.password_file, options.token_file) == (Path("/data"), secret, None)


def test_the_options_that_the_readme_names_are_the_clients():
    named = {"security_protocol", "sasl_mechanism", "sasl_plain_username", "ssl_cafile", "session_timeout_ms"}
    assert named <= KafkaConsumer.DEFAULT_CONFIG.keys()
