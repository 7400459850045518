"""What the front process does not load before somebody needs it: most of the second that a start takes is loading."""

import subprocess
import sys

import pytest

LATER = {
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
"""Libraries, and what needs them."""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a process that is about to serve."""
    code = "import sys, collector.cli, collector.app, collector.logs; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())


def test_the_front_process_is_loaded(loaded):
    assert {"collector.app", "fastapi", "grpc", "sqlalchemy"} <= loaded


@pytest.mark.parametrize("library", LATER)
def test_a_library_waits_for_whoever_needs_it(loaded, library):
    assert library not in loaded, f"it is for {LATER[library]}"
