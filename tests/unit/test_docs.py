"""The documentation says what the code does: tables, sample configuration, JSON Schema."""

import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import typer
import yaml
from doctables import PAGES, TABLES, block, filled
from documented import Block, blocks, pages

from collector.cli import app
from collector.conventions.feedback import WORDS_OF_FEEDBACK
from collector.settings import Settings, as_yaml, describe, json_schema
from exporters.store.retention import BATCH

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_the_documentation_are_those_of_the_code(name):
    written = block(name, (ROOT / PAGES[name]).read_text(encoding="utf-8"))
    assert written == TABLES[name](), "run: python tests/doctables.py --write"


def test_a_table_is_filled_in_between_its_markers_and_the_rest_stays():
    text = filled("a\n<!-- options -->\nold\n<!-- /options -->\nb\n")
    assert block("options", text) == TABLES["options"]()
    assert text.startswith("a\n<!-- options -->\n")
    assert text.endswith("\n<!-- /options -->\nb\n")


def test_the_names_that_make_an_evaluation_a_users_word_are_those_of_the_code():
    told = (ROOT / "collector" / "README.md").read_text(encoding="utf-8")
    assert (
        set(re.findall(r"`([a-z]+)`", told.partition("one of the words")[2].partition("(as in")[0]))
        == WORDS_OF_FEEDBACK
    )


def test_the_traces_that_retention_removes_at_once_are_as_many_as_is_told():
    told = (ROOT / "collector" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"in batches of ([0-9,]+) traces", told) == [f"{BATCH:,}"]


def test_every_option_is_described_and_can_be_set_by_its_variable():
    for option in describe():
        assert option.description, option.key
        assert option.variable == "SIDECHECK_" + option.key.upper().replace(".", "__")


def test_the_schema_takes_the_sample_file_and_the_written_defaults():
    schema = jsonschema_rs.validator_for(json_schema())
    assert schema.is_valid(yaml.safe_load((ROOT / "deploy" / "sidecheck.yaml").read_text()))
    assert schema.is_valid(yaml.safe_load(as_yaml(Settings())))
    assert schema.is_valid({"otlp": None, "checks": None, "assembly": {"settle": 1.5}})


def choices(schema: object) -> Iterator[tuple[str, list[str]]]:
    """Every key below a schema that takes one of a few values, and the values."""
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            yield from ((key, found) for found in enums(value))
    for below in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from choices(below)


def enums(schema: object) -> Iterator[list[str]]:
    """The values in a key's own schema: its type may be one of several, or a list."""
    if isinstance(schema, dict):
        if "enum" in schema:
            yield schema["enum"]
        for name in ("anyOf", "items"):
            yield from enums(schema.get(name))
    for each in schema if isinstance(schema, list) else ():
        yield from enums(each)


@pytest.mark.parametrize(("key", "values"), list(choices(json_schema())), ids=str)
def test_the_sample_file_names_every_value_where_there_are_a_few_to_choose_from(key, values):
    lines = (ROOT / "deploy" / "sidecheck.yaml").read_text().splitlines()
    shown = [{*re.findall(r"[\w/]+", line)} for line in lines if re.search(rf"\b{key}:", line)]
    assert any({*values} <= words for words in shown), f"no line of {key} names {values}"


@pytest.mark.parametrize(
    "mistake",
    [
        {"otpl": {}},
        {"otlp": {"grpc": {"listn": "a:1"}}},
        {"workers": 0},
        {"promotion": {"mode": "maybe"}},
        {"assembly": {"settle": "soon"}},
        {"limits": {"memory": "5 parsecs"}},
        {"api": {"trace_url": "https://jaeger/"}},
    ],
)
def test_the_schema_refuses_what_the_program_refuses(mistake):
    assert not jsonschema_rs.validator_for(json_schema()).is_valid(mistake)


def test_the_schema_gives_defaults_as_they_are_written():
    assembly = json_schema()["$defs"]["Assembly"]["properties"]
    assert (assembly["settle"]["default"], assembly["max_bytes"]["default"]) == ("2s", "16MiB")


A_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("name", pages())
def test_every_link_of_a_page_leads_to_what_is_there(name):
    page = ROOT / name
    for path, heading in A_LINK.findall(without_code(page)):
        target = (page.parent / path) if path else page
        assert target.exists(), f"{path} is not there"
        assert not heading or heading in anchors(target), f"{path} has no heading #{heading}"


def without_code(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [name for name in pages() if name != "CHANGELOG.md"])
def test_every_command_that_a_text_names_is_one_of_sidecheck_with_its_options(name):
    for text in re.findall(r"`sidecheck ([a-z][^`]*)`", without_code(ROOT / name).replace("\n", " ")):
        command, words = typer.main.get_command(app), text.split()
        while getattr(command, "commands", None) and words:
            assert words[0] in command.commands, f"there is no `sidecheck {text}`"
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, f"`sidecheck {text}`"


def test_a_console_s_commands_end_where_their_quotes_and_backslashes_do():
    text = "make demo  # a 'quoted' word\ncurl -d '{\n}' \\\n  http://a\nls\n"
    found = Block("page", "section", 1, "console", text).commands
    assert found == ["make demo  # a 'quoted' word", "curl -d '{\n}' \\\n  http://a", "ls"]


def test_a_block_knows_its_section_and_is_read_without_the_indent_of_its_list():
    start, *_ = blocks("README.md", "console", "Five minutes: a Python app")
    assert start.text.startswith("make env\n")
    assert (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[start.line - 1] == "   ```console"
