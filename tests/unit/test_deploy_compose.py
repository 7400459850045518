"""``deploy/compose.yaml`` agrees with the image, the program and the files that it mounts."""

import re
from pathlib import Path

import pytest
import yaml

from collector.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS_PORT, GRAFANA_PORT = "9090", "3000"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def settings(compose):
    return load(None, compose["services"]["sidecheck"]["environment"])


def test_the_services_listen_where_the_others_look_for_them(compose, settings):
    services = compose["services"]
    (targets,) = yaml.safe_load(compose["configs"]["targets"]["content"])
    assert targets == {"targets": [f"sidecheck:{settings.metrics.listen.port}"]}
    sent_to = services["app"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert sent_to == f"http://sidecheck:{settings.otlp.http.listen.port}"
    assert services["grafana"]["environment"]["PROMETHEUS_URL"] == f"http://prometheus:{PROMETHEUS_PORT}"
    pages = services["grafana"]["environment"]["SIDECHECK_URL"].removeprefix("http://")
    assert f"{pages}:{settings.api.listen.port}" in services["sidecheck"]["ports"]


def test_what_is_published_stays_on_this_machine_and_is_listened_on(compose, settings):
    listened = {str(address.port) for address in settings.listeners.values()} | {PROMETHEUS_PORT, GRAFANA_PORT}
    for service in compose["services"].values():
        for published in service.get("ports", ()):
            host, outside, port = published.split(":")
            assert (host, outside) == ("127.0.0.1", port)
            assert port in listened


def test_every_address_of_sidecheck_is_reached_by_the_other_containers(settings):
    assert not any(address.is_loopback for address in settings.listeners.values())


def test_what_is_mounted_is_there(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), source
        assert {each["source"] for each in service.get("configs", ())} <= set(compose["configs"])


def test_prometheus_finds_its_targets_file_where_its_configuration_says(compose):
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (found,) = configuration["scrape_configs"][0]["file_sd_configs"][0]["files"]
    mounted = Path(compose["services"]["prometheus"]["configs"][0]["target"])
    assert mounted.match(found)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.kafka.yaml"])
def test_sidecheck_comes_out_of_the_dockerfile(name):
    services = yaml.safe_load((DEPLOY / name).read_text())["services"].values()
    builds = [service["build"] for service in services if "build" in service]
    assert builds
    for build in builds:
        assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_the_root_file_system_is_read_only_and_the_data_has_its_volume(compose):
    service = compose["services"]["sidecheck"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    volume = re.search(r"^VOLUME (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert service["volumes"] == [f"data:{volume}"]
