"""The options of forwarding: what a destination may be, and what is told of one that cannot be."""

import pytest
import yaml

from collector.backends import refuse_loops
from collector.settings import ConfigError, Settings, as_yaml, describe_destination, load

SECRET = "Bearer 12345"


def read(*destinations, **more):
    return Settings.model_validate({"forward": list(destinations), **more})


def refused(tmp_path, text, env=None):
    path = tmp_path / "sidecheck.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(path, env or {})
    return {problem.key: str(problem) for problem in raised.value.problems}


def test_an_endpoint_is_enough():
    (destination,) = read({"endpoint": "http://tempo:4318/"}).forward
    assert (destination.endpoint, destination.label, destination.protocol) == (
        "http://tempo:4318",
        "tempo:4318",
        "http/protobuf",
    )
    assert destination.signals == ("traces", "logs", "metrics")
    assert (destination.queue.size, destination.queue.age, destination.timeout) == (2**28, 86_400 * 10**9, 10**10)


def test_destinations_come_from_a_variable_as_well():
    settings = load(None, {"SIDECHECK_FORWARD": "[{endpoint: 'https://a:1', protocol: grpc, name: a}]"})
    assert [(d.name, d.protocol) for d in settings.forward] == [("a", "grpc")]


def test_what_is_written_out_reads_back_and_shows_no_header():
    settings = read({"endpoint": "https://a/otlp", "headers": {"authorization": SECRET}, "queue": {"size": "1GiB"}})
    assert SECRET not in as_yaml(settings)
    assert Settings.model_validate(yaml.safe_load(as_yaml(settings, show_passwords=True))) == settings


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[{}]", "forward.0.endpoint", "required"),
        ("[{endpoint: 'tempo:4317'}]", "forward.0.endpoint", "must be http://host:port or https://host:port"),
        ("[{endpoint: 'ftp://a'}]", "forward.0.endpoint", "must be http://host:port"),
        ("[{endpoint: 'http://me:pw@a'}]", "forward.0.endpoint", "without a user"),
        ("[{endpoint: 'http://a:99999'}]", "forward.0.endpoint", "must be http://host:port"),
        ("[{endpoint: 'http://a/v1', protocol: grpc}]", "forward.0.endpoint", "has a path"),
        ("[{endpoint: 'http://a', protocol: http/json}]", "forward.0.protocol", "must be one of"),
        ("[{endpoint: 'http://a', signals: []}]", "forward.0.signals", "one or more of traces, logs, metrics"),
        ("[{endpoint: 'http://a', signals: [spans]}]", "forward.0.signals", "one or more of traces, logs, metrics"),
        ("[{endpoint: 'http://a', tls: {ca: x}}]", "forward.0.tls", "write https://"),
        ("[{endpoint: 'https://a', tls: {key: x}}]", "forward.0.tls.cert", "is missing, but key is given"),
        ("[{endpoint: 'http://a', headers: {x: \"a\\nb\"}}]", "forward.0.headers.x", "printable ASCII"),
        ("[{endpoint: 'http://a', queue: {size: 0}}]", "forward.0.queue.size", "at least one byte"),
        ("[{endpoint: 'http://a', name: 'a b'}]", "forward.0.name", "short name"),
        ("[{endpoint: 'http://a'}, {endpoint: 'https://a'}]", "forward.1.name", "is the name of another one"),
        ("{endpoint: 'http://a'}", "forward", "must be a list"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_rule(tmp_path, text, key, said):
    assert said in refused(tmp_path, f"forward: {text}")[key]


def test_the_value_of_a_header_is_not_told(tmp_path):
    problems = refused(tmp_path, "forward: [{endpoint: 'http://a', headers: {authorization: \"Bearer 12345\\u00e9\"}}]")
    assert "12345" not in str(problems)


@pytest.mark.parametrize(
    ("endpoint", "listen"),
    [
        ("http://127.0.0.1:4318", "127.0.0.1:4318"),
        ("http://localhost:4318", "127.0.0.1:4318"),
        ("http://localhost:4318", "0.0.0.0:4318"),
        ("http://127.0.0.2:4318", "0.0.0.0:4318"),
        ("http://[::1]:4318", "[::1]:4318"),
    ],
)
def test_a_destination_that_is_the_sidecar_itself_is_refused(endpoint, listen):
    settings = read({"endpoint": endpoint}, otlp={"http": {"listen": listen}}, allow_insecure=True)
    with pytest.raises(
        ConfigError, match=r"forward\.0\.endpoint: .* is otlp\.http\.listen, where sidecheck itself listens"
    ):
        refuse_loops(settings)


@pytest.mark.parametrize(
    ("endpoint", "listen"),
    [
        ("http://127.0.0.1:5318", "127.0.0.1:4318"),
        ("http://192.0.2.7:4318", "127.0.0.1:4318"),
        ("http://192.0.2.7:4318", "0.0.0.0:4318"),
        ("http://no-such-host.invalid:4318", "0.0.0.0:4318"),
    ],
)
def test_a_destination_elsewhere_is_none_of_its_own(endpoint, listen):
    refuse_loops(read({"endpoint": endpoint}, otlp={"http": {"listen": listen}}, allow_insecure=True))


def test_every_option_of_a_destination_is_described():
    described = {option.key: option for option in describe_destination()}
    assert described["queue.size"].default == "256MiB"
    assert all(option.description for option in described.values())
