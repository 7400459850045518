"""``cases.jsonl`` holds every case whole, in the public shape, and is read back."""

import io
import json
import zipfile

import pytest

from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.dataset.export import ExportError, export, files_of, write_zip
from exporters.dataset.formats import FORMATS
from exporters.dataset.formats.jsonl import line, read_line, write
from exporters.dataset.shape import ShapeError

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_case(**parts) -> Case:
    defaults = {
        "id": "case-7f3a",
        "fingerprint": "f00d",
        "source": Source(TRACE_ID, "shop", "gpt-4o", ("citations",)),
        "input": "How long?",
        "context": Context(documents=({"id": "kb-7", "content": "30 days"},), system="Be kind."),
        "observed_output": "60 days",
        "expectation": Expectation(
            must_mention=("30 days",),
            must_not_mention=("60 days",),
            relevant_documents=("kb-7",),
            checks={"citations": {"version": "1"}},
            expected_tool_calls=({"name": "create_note", "arguments": {"orderId": "123"}},),
            forbidden_tool_calls=("issue_refund",),
        ),
    }
    return Case(**{**defaults, **parts})


def test_a_line_is_the_public_shape_of_a_case():
    assert json.loads(line(a_case())) == {
        "id": "case-7f3a",
        "input": "How long?",
        "context": {
            "documents": [{"id": "kb-7", "content": "30 days", "text": "30 days"}],
            "messages": [],
            "system": "Be kind.",
            "tools": [],
        },
        "expected": {
            "answer": None,
            "value": None,
            "mustMention": ["30 days"],
            "mustNotMention": ["60 days"],
            "jsonSchema": None,
            "relevantDocuments": ["kb-7"],
            "maxLatencyMs": None,
            "rubric": None,
            "checks": {"citations": {"version": "1"}},
        },
        "expectedToolCalls": [{"name": "create_note", "arguments": {"orderId": "123"}}],
        "forbiddenToolCalls": ["issue_refund"],
        "actualOutput": "60 days",
        "metadata": {
            "traceId": TRACE_ID,
            "service": "shop",
            "model": "gpt-4o",
            "failedChecks": ["citations"],
            "exampleType": "historical_failure",
            "reviewedBy": None,
            "tags": [],
            "split": None,
            "fingerprint": "f00d",
            "redacted": [],
        },
    }


def test_a_line_read_back_is_the_same_case():
    case = a_case(kind=ExampleType.EDGE, tags=("a",), reviewed_by="Ann", redacted=("US_SSN",), input=None)
    assert read_line(line(case)) == case


def test_a_hand_written_line_needs_an_id_only():
    case = read_line('{"id": "mine", "context": {"documents": [{"text": "30 days"}]}}')
    assert (case.id, case.context.documents) == ("mine", ({"content": "30 days"},))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{", "case"),
        ("[1]", "case"),
        ("[" * 100_000, "case"),
        (b"\xff", "case"),
        ("{}", "id"),
        ('{"id": "x", "input": 3}', "input"),
        ('{"id": "x", "context": []}', "context"),
        ('{"id": "x", "context": {"documents": ["a"]}}', "context.documents"),
        ('{"id": "x", "expected": {"mustMention": "a"}}', "expected.mustMention"),
        ('{"id": "x", "expected": {"jsonSchema": true}}', "expected.jsonSchema"),
        ('{"id": "x", "expected": {"checks": {"pii": 1}}}', "expected.checks.pii"),
        ('{"id": "x", "metadata": {"exampleType": "odd"}}', "metadata.exampleType"),
    ],
)
def test_a_line_of_another_shape_is_refused_with_the_key(text, key):
    with pytest.raises(ShapeError) as refusal:
        read_line(text)
    assert refusal.value.key == key


def test_the_same_case_gives_the_same_bytes():
    assert line(a_case()) == line(read_line(line(a_case())))


def test_the_file_is_utf8_with_one_line_a_case():
    out = io.BytesIO()
    assert write([a_case(input="Größe 東京 \U0001f600"), a_case(id="case-2")], out) == 2
    text = out.getvalue().decode("utf-8")
    assert text.endswith("}\n")
    assert text.count("\n") == 2
    assert "Größe 東京 \U0001f600" in text


HOSTILE = "a\u2028b\u2029c\x85d\re\n\x0b\x0c\x1c\x1b[31m\x9b31m\u202egnp\u2066\ufeff\x00{{7*7}}<script>"


def test_hostile_text_is_one_harmless_line_that_reads_back_the_same():
    written = line(a_case(input=HOSTILE))
    assert len(written.decode().splitlines()) == 1
    assert not set("\x1b\x9b\u202e\u2066\ufeff\x00\x85") & set(written.decode())
    assert read_line(written).input == HOSTILE


def test_what_json_cannot_hold_is_written_all_the_same():
    documents = ({"content": "\ud800", "score": float("nan")},)
    document = json.loads(line(a_case(context=Context(documents=documents))))["context"]["documents"][0]
    assert document == {"content": "\ufffd", "text": "\ufffd", "score": None}


def test_every_format_bears_the_name_it_is_found_by():
    assert all(name == chosen.name and chosen.main.name for name, chosen in FORMATS.items())


def test_no_two_formats_write_the_same_file():
    names = [file.name for file in files_of(FORMATS.values())]
    assert len(names) == len(set(names))


def test_an_export_writes_the_file_and_counts_the_cases(tmp_path):
    path = tmp_path / "cases.jsonl"
    assert export(iter([a_case()]), "jsonl", path) == 1
    assert path.read_bytes() == line(a_case())


def test_an_export_into_a_directory_takes_the_formats_file_name(tmp_path):
    export([a_case()], "jsonl", str(tmp_path))
    assert (tmp_path / "cases.jsonl").is_file()


def test_an_export_of_every_format_makes_the_folder_and_writes_every_file(tmp_path):
    assert export([a_case(), a_case(id="case-2")], "all", tmp_path / "new" / "folder") == 2
    written = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert written == {file.name for chosen in FORMATS.values() for file in chosen.files}


def test_a_path_that_ends_with_a_slash_is_a_folder(tmp_path):
    export([a_case()], "jsonl", f"{tmp_path}/new/")
    assert (tmp_path / "new" / "cases.jsonl").is_file()


def test_every_format_at_once_does_not_go_to_standard_output():
    with pytest.raises(ExportError, match="folder"):
        export([], "all", "-")


def test_a_zip_of_the_same_cases_has_the_same_bytes():
    archives = [io.BytesIO(), io.BytesIO()]
    assert [write_zip([a_case()], FORMATS.values(), archive) for archive in archives] == [1, 1]
    assert archives[0].getvalue() == archives[1].getvalue()
    assert zipfile.ZipFile(archives[0]).read("cases.jsonl") == line(a_case())


def test_an_export_to_standard_output(capsysbinary):
    export([a_case()], "jsonl", "-")
    assert capsysbinary.readouterr().out == line(a_case())


def test_two_cases_of_one_id_are_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text("old")
    with pytest.raises(ExportError, match="case-7f3a"):
        export([a_case(), a_case()], "jsonl", path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(ExportError, match="jsonl"):
        export([], "xml", "-")


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ExportError, match="missing"):
        export([], "jsonl", tmp_path / "missing" / "cases.jsonl")
