"""What is deployed is what is tested: one version of each image in the whole repository, that of the tests."""

import re
from pathlib import Path

import brokers
import pytest

ROOT = Path(__file__).parents[2]
IMAGE = re.compile(r"\b(otel/opentelemetry-collector-contrib|apache/kafka|prom/prometheus|grafana/grafana):(\S+)")
POSTGRES = re.compile(r"image: (postgres):(\S+)")
TEXTS = [ROOT / "README.md", *(p for p in (ROOT / "deploy").rglob("*") if p.suffix in {".yaml", ".yml", ".md"})]


def versions(image: str) -> set[str]:
    """Those under which an image is named."""
    found = (pair for path in TEXTS for each in (IMAGE, POSTGRES) for pair in each.findall(path.read_text()))
    return {version for name, version in found if name == image}


@pytest.mark.parametrize("image", ["prom/prometheus", "grafana/grafana", "postgres", "apache/kafka"])
def test_an_image_has_one_version_everywhere(image):
    assert len(versions(image)) == 1


def test_the_collector_is_of_the_version_that_is_built_for_the_tests():
    built = (ROOT / "tests" / "go" / "otelcol" / "go.mod").read_text()
    contrib = re.findall(r"opentelemetry-collector-contrib/exporter/kafkaexporter v(\S+)", built)
    assert versions("otel/opentelemetry-collector-contrib") == set(contrib)


def test_kafka_is_of_the_version_that_the_tests_start():
    assert versions("apache/kafka") == {brokers.VERSION}
