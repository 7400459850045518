"""The files in ``deploy/`` agree with the program and with each other. Whether containers start is not tested here."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from collector.cli import app
from collector.relay.app import Relay
from collector.settings import Settings, load

DEPLOY = Path(__file__).parents[2] / "deploy"
COLLECTORS = sorted((DEPLOY / "otel-collector").glob("*.yaml"))
OWN = ("sidecheck", "page", "relay")
TOPICS = tuple(Settings().kafka.topics.named.values())


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.kafka.yaml").read_text())


@pytest.fixture(scope="module")
def collector():
    return yaml.safe_load((DEPLOY / "otel-collector" / "kafka.yaml").read_text())


def interpolated(text):
    """A value as Compose gives it where nobody set its variables."""
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)


def settings_of(compose, service):
    """What the program makes of a service's environment."""
    environment = {key: interpolated(str(value)) for key, value in compose["services"][service]["environment"].items()}
    return load(None, environment)


@pytest.mark.parametrize("service", OWN)
def test_every_variable_of_a_service_is_an_option_with_a_value_that_it_may_have(compose, service):
    settings = settings_of(compose, service)
    assert settings.kafka.bootstrap_servers == ("kafka:9092",)
    assert settings.store.url.endswith("@postgres:5432/sidecheck")
    assert not settings.metrics.listen.is_loopback


@pytest.mark.parametrize("service", OWN)
def test_a_service_may_do_no_more_than_beside_an_app(compose, service):
    other = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sidecheck"]
    for key in ("read_only", "tmpfs", "cap_drop", "security_opt", "mem_limit"):
        assert compose["services"][service][key] == other[key]


def test_prometheus_scrapes_as_beside_an_app_but_every_container_of_each_service(compose):
    ours = yaml.safe_load(compose["configs"]["prometheus"]["content"])
    other = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (job,), (others,) = ours.pop("scrape_configs"), other.pop("scrape_configs")
    assert ours == other
    assert job["job_name"] == others["job_name"]
    (found,) = job["dns_sd_configs"]
    assert (found["names"], found["type"]) == ([*OWN], "A")
    assert {settings_of(compose, service).metrics.listen.port for service in OWN} == {found["port"]}


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_a_service_that_both_compose_files_have_is_the_same(compose, name):
    beside = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][name]
    for key in ("image", "command", "environment", "ports"):
        assert compose["services"][name].get(key) == beside.get(key)


@pytest.mark.parametrize("service", OWN)
def test_every_service_runs_a_command_that_there_is_with_options_that_it_has(compose, service):
    name, *options = compose["services"][service]["command"]
    command = typer.main.get_command(app).commands[name]
    context = command.make_context(name, list(options))
    assert context.args == []


def test_the_relay_may_start_with_its_settings(compose):
    Relay(settings_of(compose, "relay"))


def test_there_are_three_replicas_and_more_partitions_than_that(compose):
    assert compose["services"]["sidecheck"]["deploy"]["replicas"] == 3
    (script,) = compose["services"]["topics"]["command"]
    assert int(re.search(r"--partitions (\d+)", script)[1]) >= 12


def test_the_topics_that_are_made_are_those_that_are_read_and_written(compose, collector):
    (script,) = compose["services"]["topics"]["command"]
    dead_letters = settings_of(compose, "sidecheck").kafka.dead_letter_topic
    assert re.search(r"for topic in (.*?);", script)[1].split() == [*TOPICS, dead_letters]
    exporter = collector["exporters"]["kafka"]
    assert (exporter["traces"]["topic"], exporter["logs"]["topic"]) == TOPICS[:2]
    limit = int(re.search(r"max\.message\.bytes=(\d+)", script)[1])
    assert exporter["producer"]["max_message_bytes"] <= limit


def test_a_published_port_is_one_that_is_listened_on_and_stays_on_this_machine(compose):
    for service in OWN:
        listened = {str(address.port) for address in settings_of(compose, service).listeners.values()}
        for published in compose["services"][service].get("ports", ()):
            host, _, port = published.split(":")
            assert host == "127.0.0.1"
            assert port in listened


def test_the_brokers_are_where_their_clients_look_for_them(compose, collector):
    advertised = compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert advertised == "PLAINTEXT://kafka:9092"
    assert compose["services"]["collector"]["environment"]["KAFKA_BROKERS"] == "kafka:9092"
    assert collector["exporters"]["kafka"]["brokers"] == ["${env:KAFKA_BROKERS:-kafka:9092}"]


def test_what_a_service_waits_for_and_mounts_is_there(compose):
    services = compose["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in services[name]
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists()
        assert {each["source"] for each in service.get("configs", ())} <= set(compose["configs"])


def test_the_collector_keeps_a_trace_together_and_writes_what_is_read(collector):
    exporter = collector["exporters"]["kafka"]
    assert exporter["partition_traces_by_id"] is exporter["partition_logs_by_trace_id"] is True
    assert {exporter[signal]["encoding"] for signal in ("traces", "logs")} == {"otlp_proto"}
    assert exporter["record_partitioner"] == {"sticky_key": {"hasher": "murmur2"}}
    assert exporter["producer"]["required_acks"] == -1


@pytest.mark.parametrize("example", COLLECTORS, ids=lambda path: path.stem)
def test_the_collectors_pipelines_use_all_that_is_configured_and_nothing_else(example):
    collector = yaml.safe_load(example.read_text())
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in collector["service"]["pipelines"].values() for name in pipeline[kind]}
        assert used == set(collector[kind])


@pytest.mark.parametrize("example", COLLECTORS, ids=lambda path: path.stem)
def test_a_collectors_memory_has_a_bound_before_anything_else_and_so_has_what_waits(example):
    collector = yaml.safe_load(example.read_text())
    assert {pipeline["processors"][0] for pipeline in collector["service"]["pipelines"].values()} == {"memory_limiter"}
    for exporter in collector["exporters"].values():
        assert exporter["sending_queue"]["sizer"] == "bytes"
        assert exporter["sending_queue"]["queue_size"] <= 128 << 20


def test_what_kafkas_queue_has_no_room_for_is_refused_to_its_sender_and_not_dropped(compose, collector):
    used = {name for pipeline in collector["service"]["pipelines"].values() for name in pipeline["processors"]}
    assert used == {"memory_limiter"}  # the processor `batch` answers its sender before it knows
    assert compose["services"]["collector"]["mem_limit"] == "1g"


@pytest.mark.parametrize("example", ["fan-out", "tail-sampling"])
def test_a_sidecheck_that_is_started_as_the_head_says_is_found_beside_the_collector(example):
    text = (DEPLOY / "otel-collector" / f"{example}.yaml").read_text()
    (command,) = re.findall(r"^#   (SIDECHECK_.*) sidecheck serve$", text, re.MULTILINE)
    otlp = load(None, dict(word.split("=") for word in command.split())).otlp
    collector = yaml.safe_load(text)
    sent_to = collector["exporters"]["otlp/sidecheck"]["endpoint"]
    assert sent_to == f"${{env:SIDECHECK_ENDPOINT:-{otlp.grpc.listen}}}"
    taken = {each["endpoint"] for each in collector["receivers"]["otlp"]["protocols"].values()}
    relay = re.findall(r"LISTEN=127\.0\.0\.1:(\d+)", (DEPLOY.parent / "README.md").read_text())
    others = {*relay, *(each.rpartition(":")[2] for each in taken)}
    backend = re.search(r"BACKEND_ENDPOINT:-http://127\.0\.0\.1:(\d+)", text)[1]
    assert not others & {str(otlp.grpc.listen.port), str(otlp.http.listen.port), backend}


@pytest.mark.parametrize("name", ["fan-out", "tail-sampling"])
def test_no_collector_samples_what_sidecheck_judges(name):
    collector = yaml.safe_load((DEPLOY / "otel-collector" / f"{name}.yaml").read_text())
    fed = {kind: p for kind, p in collector["service"]["pipelines"].items() if "otlp/sidecheck" in p["exporters"]}
    assert {kind.partition("/")[0] for kind in fed} == {"traces", "logs"}
    assert not any("sampl" in processor for pipeline in fed.values() for processor in pipeline["processors"])
