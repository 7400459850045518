"""CI says at its end what it did not require. The script is run with programs that stand for those of a machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from exports_env import OPTIONAL, REQUIREMENTS
from go_tools import PACKAGES
from servers import until

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
EVERYWHERE = ("prometheus", "java", "mvn", "chromium", "ip", "curl", "git", "jq", "sqlite3", "ls", "nice", "unshare")


@pytest.fixture
def machine(tmp_path):
    """A folder of programs: all that the script looks for, nothing of them real."""
    for name in EVERYWHERE:
        program(tmp_path, name, "exit 0")
    program(tmp_path, "make", 'test "$1" != test || echo "required: $SIDECHECK_REQUIRE"')
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(Path("/usr/bin") / name)
    return tmp_path


def program(folder, name, script):
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def run(machine, user, **env):
    """The exit code and the lines that the script prints for a user with this number."""
    program(machine, "id", f"echo {user}")
    done = subprocess.run([SCRIPT], env={"PATH": str(machine), **env}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_machine_without_go_and_root_is_told_what_was_not_tried(machine):
    code, (required, *said) = run(machine, user=1000)
    assert code == 0
    assert not {"namespaces", "helm", "kubeapi", "otelcol"} & {*required.split(": ")[1].split(",")}
    assert [line.split(": ")[1] for line in said] == ["phoenix, ragas", "namespaces", "helm, kubeapi, otelcol"]


def test_a_machine_that_can_requires_all_but_what_takes_too_long(machine):
    program(machine, "go", "exit 0")
    code, (required, *said) = run(machine, user=0)
    assert code == 0
    assert {"namespaces", "helm", "kubeapi", "otelcol"} <= {*required.split(": ")[1].split(",")}
    assert [line.split(": ")[1] for line in said] == ["phoenix, ragas"]


def test_a_failure_of_the_tests_stays_one(machine):
    program(machine, "make", "exit 2")
    code, said = run(machine, user=1000)
    assert code == 2
    assert len(said) == 3


def test_what_takes_long_to_make_is_begun_before_the_tests(machine):
    program(machine, "go", "exit 0")
    program(machine, "nice", f'echo "$@" >> {machine}/early')
    program(machine, "python3", f'echo "python3 $@" >> {machine}/early')  # not nice: tests wait for what it builds
    _, (required, *_) = run(machine, user=0)
    until("three are begun", lambda: (machine / "early").exists() and len(begun(machine)) == 3)
    made = {tool for line in begun(machine) for tool in line.split()[2:]}
    assert made <= {"uv", *required.split(": ")[1].split(",")}
    assert {path.stem for path in REQUIREMENTS.glob("*.txt")} - made == set(OPTIONAL)
    assert made >= set(PACKAGES)


def begun(machine):
    return (machine / "early").read_text().splitlines()


def test_bytecode_is_kept_so_that_no_start_of_sidecheck_compiles_it_anew(machine):
    program(machine, "make", 'echo "required: ${PYTHONDONTWRITEBYTECODE-none}"')
    code, (required, *_) = run(machine, user=1000, PYTHONDONTWRITEBYTECODE="1")
    assert (code, required) == (0, "required: none")


def test_what_is_built_first_is_built_by_a_python_without_packages(tmp_path):
    command = [sys.executable, "-S", SCRIPT.parents[1] / "tests" / "go_tools.py", "helm"]
    done = subprocess.run(command, env={"PATH": "/nowhere", "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "helm needs Go to be built: https://go.dev/dl/\n")
