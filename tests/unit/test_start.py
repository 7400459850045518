"""What the front process does not load before somebody needs it: most of the second that a start takes is loading."""

import subprocess
import sys

import pytest

LATER = {
    "checks.runner": "workers",
    "collector.conventions.read": "workers, the page of a trace, and to forget a user",
    "collector.pipeline.judge": "workers",
    "exporters.dataset.promote": "workers, for cases",
    "alembic": "a store without tables, or with those of an earlier version",
    "cryptography": "nobody in the front process",
    "genai_prices": "workers, for a price",
    "httpx": "`forward`, `notify` and commands that ask a running sidecar",
    "kafka": "`kafka`",
    "numpy": "spaCy",
    "opentelemetry.sdk": "`results.otlp`",
    "phonenumbers": "workers, for personal data",
    "presidio_analyzer": "workers, for personal data",
    "psycopg": "a store in PostgreSQL",
    "pyarrow": "the export to Parquet",
    "rensa": "workers, for cases",
    "requests": "Presidio",
    "spacy": "Presidio",
    "tldextract": "workers, for personal data",
}
"""Modules, libraries for the most part, and what needs them."""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a process that is about to serve."""
    code = "import sys, collector.cli, collector.app, collector.logs; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())


def test_the_front_process_is_loaded(loaded):
    assert {"collector.app", "fastapi", "grpc", "sqlalchemy"} <= loaded


@pytest.mark.parametrize("module", LATER)
def test_a_module_waits_for_whoever_needs_it(loaded, module):
    assert module not in loaded, f"it is for {LATER[module]}"
