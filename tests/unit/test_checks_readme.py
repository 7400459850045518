"""checks/README.md says what the code does: every check, code and option is in it, and nothing else."""

import dataclasses
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from builders import an_interaction

from checks.catalogue import DEFAULT_CHECKS, PLUGIN_GROUP, available, build
from checks.loading import COMMON_KEYS
from checks.report import Outcome
from checks.runner import run
from checks.selection import WHEN_KEYS
from checks.vetting import MOST_FINDINGS

README = Path(__file__).parents[2].joinpath("checks", "README.md").read_text()
BUILT_IN = {described.name: described for described in available(tuple)}


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(heading):
    """The text below a heading, to the next one."""
    return re.split(r"^#{1,3} ", README.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(text, first_column):
    """The rows of the table with this first column: a mapping of the first cell, without quotes, to the others."""
    lines = text[text.index(f"| {first_column} |") :].split("\n\n", 1)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return {cells[0].strip("` |"): cells[1:] for cells in rows}


def written(value):
    """A default as YAML would give it."""
    if isinstance(value, Mapping):
        return {key: written(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [written(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def test_the_table_names_exactly_the_built_in_checks():
    assert list(table(section("Built-in checks"), "Check")) == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_table_says_of_each_check_what_it_wants(name):
    assert table(section("Built-in checks"), "Check")[name][0] == BUILT_IN[name].info.summary


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_codes_of_each_check_are_listed(name):
    assert set(table(section(f"`{name}`"), "Code")) == set(BUILT_IN[name].info.codes)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_options_of_each_check_are_listed_with_their_defaults(name):
    documented = {
        option: yaml.safe_load(cells[0].strip("`")) for option, cells in table(section(f"`{name}`"), "Option").items()
    }
    assert documented == {option.name: written(option.default) for option in BUILT_IN[name].options}


def test_the_common_keys_are_listed_with_their_defaults():
    documented = {key: cells[0] for key, cells in table(section("What every check can be given"), "Key").items()}
    assert set(documented) == set(COMMON_KEYS)
    defaults = {key: yaml.safe_load(default.strip("`")) for key, default in documented.items() if default != "`null`"}
    assert build({"latency": defaults}) == build({"latency": {}})


def test_the_keys_of_when_are_named():
    assert all(f"`{key}`" in section("What every check can be given") for key in WHEN_KEYS)


def test_every_outcome_is_explained():
    assert list(table(section("What every check can be given"), "Outcome")) == [outcome.value for outcome in Outcome]


def test_the_checks_of_the_first_example_are_those_that_run_by_default():
    assert tuple(yaml.safe_load(blocks("yaml")[0])["checks"]) == DEFAULT_CHECKS


@pytest.mark.parametrize("example", [block for block in blocks("yaml") if "mychecks" not in block])
def test_each_example_of_a_configuration_is_accepted(example):
    configs = yaml.safe_load(example)["checks"]
    assert [planned.name for planned in build(configs)] == list(configs)


@pytest.fixture
def own_plan(tmp_path, monkeypatch):
    """The plan of the example, with the example's code saved as the text says."""
    section_text = section("Write your own in ten lines")
    (tmp_path / "mychecks.py").write_text(blocks("python", section_text)[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mychecks", raising=False)
    yield build(yaml.safe_load(blocks("yaml", section_text)[0])["checks"])
    sys.modules.pop("mychecks", None)


@pytest.mark.parametrize(
    ("output", "outcome"),
    [("Sorry, no.", Outcome.PASSED), ("No.", Outcome.FAILED), (None, Outcome.NOT_APPLICABLE)],
)
def test_the_check_of_ones_own_works_as_it_is_printed(own_plan, output, outcome):
    own = [
        dataclasses.replace(planned, selection=dataclasses.replace(planned.selection, service=()))
        for planned in own_plan
    ]
    assert [verdict.outcome for verdict in run(an_interaction(output), own).verdicts] == [outcome]


def test_a_check_of_ones_own_takes_ten_lines():
    code = blocks("python", section("Write your own in ten lines"))[0]
    assert len([line for line in code[code.index("@dataclass") :].splitlines() if line]) <= 10


def test_the_entry_point_is_of_the_group_that_is_looked_up():
    (example,) = blocks("toml")
    assert list(tomllib.loads(example)["project"]["entry-points"]) == [PLUGIN_GROUP]


def test_the_number_of_findings_that_are_kept_is_right():
    assert f"At most {MOST_FINDINGS} findings" in README
