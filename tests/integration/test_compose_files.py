"""The compose files hold no key that there is not, by the schema of the Compose specification: its keys are closed."""

import subprocess
from pathlib import Path

import exports_env
import pytest

pytestmark = pytest.mark.timeout(300)  # what checks them is made first
DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = ("compose.yaml", "compose.kafka.yaml")


def validated(file: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What the schema says of a file."""
    checker = [str(exports_env.environment("compose")), "-m", "check_jsonschema"]
    return exports_env.start(
        [*checker, "--builtin-schema", "vendor.compose-spec", str(file)], home=folder, folder=folder
    )


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_is_valid(name, tmp_path):
    done = validated(DEPLOY / name, tmp_path)
    assert done.returncode == 0, done.stdout


MISTAKES = {
    "mem_limit:": "memory_limit:",
    "read_only: true": "readonly: true",
    "depends_on:": "depend_on:",
    "start_period:": "start-period:",
    "deploy: {replicas: 3}": "deploy: {replica: 3}",
    "{condition: service_healthy}": "{condition: healthy}",
}


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_is_found(right, tmp_path):
    text = (DEPLOY / "compose.kafka.yaml").read_text()
    assert right in text
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(text.replace(right, MISTAKES[right], 1))
    done = validated(wrong, tmp_path)
    assert done.returncode == 1
    assert "Schema validation errors were encountered" in done.stdout
