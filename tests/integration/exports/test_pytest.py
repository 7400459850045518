"""``test_cases.py`` runs under pytest as it is written, without plugins and with those of other eval tools."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, written
from exports_env import environment, start
from hostile_cases import CANARY, MARKER

TOOLS = Path(__file__).parent / "tools"
PYTHONS = {
    "no plugin": lambda: sys.executable,
    "langsmith and braintrust": lambda: environment("pytest"),
    "deepeval": lambda: environment("deepeval"),
}


def outcomes(folder, home, python=sys.executable, **variables):
    """Id of a case -> passed, failed or skipped; and what pytest printed."""
    report = home / "report.xml"
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", str(folder)]
    done = start(command, home=home, folder=folder, PYTHONPATH=str(TOOLS), **variables)
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    cases = ET.parse(report).getroot().iter("testcase")
    found = {case.get("name")[len("test_case[") : -1]: (*(part.tag for part in case), "passed")[0] for case in cases}
    return found, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(every_kind(), "pytest", tmp_path_factory.mktemp("pytest"))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_case_is_a_test_that_judges_the_app(folder, tmp_path, python):
    good, _ = outcomes(folder, tmp_path, PYTHONS[python](), SIDECHECK_APP="app:good")
    assert good == {case.id: "passed" for case in every_kind()}
    bad, _ = outcomes(folder, tmp_path, PYTHONS[python](), SIDECHECK_APP="app:bad")
    assert {case_id for case_id, outcome in bad.items() if outcome == "failure"} == set(FAILED_BY_BAD)


def test_without_an_app_every_test_is_skipped_and_says_why(folder, tmp_path):
    skipped, _ = outcomes(folder, tmp_path)
    assert set(skipped.values()) == {"skipped"}


def test_hostile_texts_run_nothing_and_steer_no_terminal(tmp_path, tmp_path_factory):
    folder = written(all_hostile(), "pytest", tmp_path_factory.mktemp("hostile"))
    found, printed = outcomes(folder, tmp_path, SIDECHECK_APP="app:bad")
    assert set(found) == {case.id for case in all_hostile()}
    assert not (folder / MARKER).exists()
    assert CANARY not in printed.replace(str(folder), "")
    assert not set("\x1b\x9b\u202e\u2066\x00\x08") & set(printed)
