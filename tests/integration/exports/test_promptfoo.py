"""promptfoo loads ``promptfoo.yaml``, judges by it, and neither renders nor loads what production sent."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from exports_env import node, start
from hostile_cases import CANARY, CANARY_VARIABLE, MARKER, TRAPS, a_case, hostile_cases, long_case

from exporters.dataset.case import Context
from exporters.dataset.export import export
from exporters.dataset.plain import plain, plain_text

CANNED = Path(__file__).parent / "promptfoo_canned.cjs"
CALL = {"name": "refund", "arguments": {"order": "A-1"}}
CALLED = {"expected_tool_calls": (CALL,), "must_not_mention": ("A-1",)}
BY_OPENAI = {
    "role": "assistant",
    "content": "Done.",
    "tool_calls": [{"type": "function", "function": {"name": "refund", "arguments": '{"order": "A-1", "n": 1}'}}],
}
BY_ANTHROPIC = 'Done.\n\n{"type": "tool_use", "id": "1", "name": "refund", "input": {"order": "A-1"}}'
BY_GOOGLE = [{"text": "Done."}, {"functionCall": {"name": "refund", "args": {"order": "A-1"}}}]
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:x",
    "type": "object",
    "required": ["total"],
}
CITING = {"relevant_documents": ("kb-7 (a+b)",), "checks": {"citations": {"version": "1"}}}


def evaluate(folder: Path, cases, canned, prompts=("{{question}}",)):
    """What promptfoo says of each test, by the case's id; the folder holds traps for whoever loads files."""
    tool, modules = node("promptfoo")
    export(cases, "promptfoo", folder)
    for name, content in TRAPS.items():
        (folder / name).write_text(content)
    shutil.copy(CANNED, folder)
    (folder / "canned.json").write_text(json.dumps(canned))
    config = {"prompts": list(prompts), "providers": [f"file://{CANNED.name}"], "tests": "file://promptfoo.yaml"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    program = modules / "promptfoo" / "dist" / "src" / "entrypoint.js"
    options = ["--no-cache", "--no-table", "--no-progress-bar", "--no-write", "-o", "result.json"]
    done = start(
        [str(tool), str(program), "eval", "-c", "config.yaml", *options],
        home=folder,
        folder=folder,
        **{CANARY_VARIABLE: CANARY, "PROMPTFOO_CONFIG_DIR": str(folder / ".promptfoo")},
    )
    assert done.returncode in (0, 100), done.stdout[-3000:] + done.stderr[-3000:]  # 100: some test failed
    return json.loads((folder / "result.json").read_text())["results"]["results"]


def outcome(result):
    """Whether a test passed, and by which metrics it failed."""
    parts = (result.get("gradingResult") or {}).get("componentResults") or []
    return result["success"], sorted({part["assertion"]["metric"] for part in parts if not part["pass"]})


JUDGED = {
    "mention": ({"must_mention": ("30 Days",), "must_not_mention": ("60 days",)}, "30 days.", []),
    "no mention": (
        {"must_mention": ("30 days",), "must_not_mention": ("60 days",)},
        "60 DAYS.",
        ["mustMention", "mustNotMention"],
    ),
    "schema": ({"json_schema": SCHEMA}, '{"total": 1}', []),
    "schema of an object": ({"json_schema": SCHEMA}, {"total": 1}, []),
    "broken schema": ({"json_schema": SCHEMA}, '{"sum": 1}', ["jsonSchema"]),
    "no json": ({"json_schema": {}}, "sorry", ["jsonSchema"]),
    "value": ({"value": {"total": [1.5, "a"]}}, '{"total": [1.5, "a"]}', []),
    "other value": ({"value": {"total": 1.5}}, '{"total": 2}', ["value"]),
    "list": ({"value": ["{{ 7 * 7 }}", "file://secret.txt", 1]}, '["{{ 7 * 7 }}", "file://secret.txt", 1]', []),
    "true": ({"value": True}, "1", ["value"]),
    "text": ({"value": "{{ 7 * 7 }}"}, '"{{ 7 * 7 }}"', []),
    "number": ({"value": 3}, "4", ["value"]),
    "openai": (CALLED, BY_OPENAI, []),
    "openai, calls alone": (CALLED, BY_OPENAI["tool_calls"], []),
    "anthropic": (CALLED, BY_ANTHROPIC, []),
    "google": (CALLED, BY_GOOGLE, []),
    "not called": (CALLED, "I did it.", ["toolCalls"]),
    "called otherwise": (
        {"expected_tool_calls": ({"name": "refund", "arguments": {"order": "B"}},)},
        BY_OPENAI,
        ["toolCalls"],
    ),
    "forbidden": ({"forbidden_tool_calls": ("refund",)}, BY_GOOGLE, ["toolCalls"]),
    "not forbidden": ({"forbidden_tool_calls": ("search",)}, BY_GOOGLE, []),
    "cited": (CITING, "See KB-7 (A+B).", []),
    "not cited": (CITING, "See kb-77.", ["citations"]),
    "in time": ({"max_latency_ms": 60_000}, "x", []),
    "answer": ({"answer": "30 days", "rubric": "polite"}, "x", []),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    cases = [a_case(n, id=name, **demands) for n, (name, (demands, _, _)) in enumerate(JUDGED.items())]
    canned = {name: output for name, (_, output, _) in JUDGED.items()}
    results = evaluate(tmp_path_factory.mktemp("promptfoo"), cases, canned)
    return {result["vars"]["case"]["id"]: outcome(result) for result in results}


@pytest.mark.parametrize("name", JUDGED)
def test_promptfoo_judges_as_the_case_demands(judged, name):
    failed = JUDGED[name][2]
    assert judged[name] == (not failed, failed)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    cases = [*hostile_cases(), long_case()]
    results = evaluate(folder, cases, {}, ["Q: {{question}}", "Q: {{case.input}}"])
    return folder, {case.id: case for case in cases}, results


def test_hostile_text_reaches_the_model_verbatim(hostile):
    _, cases, results = hostile
    assert len(results) == 2 * len(cases)
    for result in results:
        case = cases[result["vars"]["case"]["id"]]
        assert result["prompt"]["raw"] == f"Q: {plain_text(case.input)}".removesuffix("\n"), case.id


def test_hostile_text_is_neither_executed_nor_loaded(hostile):
    folder, _, results = hostile
    assert not (folder / MARKER).exists()
    assert CANARY not in json.dumps(results)


def test_hostile_demands_mean_what_they_say(hostile):
    # The answer is the prompt, which holds the input: so it mentions what it must, while no tool is called.
    _, cases, results = hostile
    for result in results:
        case = cases[result["vars"]["case"]["id"]]
        if case.input and case.id != "case-long":
            assert "mustMention" not in outcome(result)[1], case.id
            assert "toolCalls" in outcome(result)[1], case.id
            assert "could not" not in json.dumps(result["gradingResult"]), case.id


def test_hostile_values_stay_as_they_were(hostile):
    _, cases, results = hostile
    for result in results:
        case = cases[result["vars"]["case"]["id"]]
        metadata, asserted = result["testCase"]["metadata"], {a["type"]: a for a in result["testCase"]["assert"]}
        text = plain_text(case.observed_output)
        assert metadata["caseId"] == case.id
        if not text.startswith("{"):  # promptfoo looks for secrets in JSON, and prints it anew
            assert metadata["badOutput"].lstrip(" ") == text.lstrip(" "), case.id
        if case.expectation.value and "equals" in asserted and not text.startswith("{"):
            assert asserted["equals"]["value"] == plain(case.expectation.value)


def test_hostile_schemas_and_values_are_judged(hostile):
    _, cases, results = hostile
    for result in results:
        case = cases[result["vars"]["case"]["id"]]
        if case.expectation.value:
            parts = {p["assertion"]["metric"]: p for p in result["gradingResult"]["componentResults"]}
            assert "valid JSON" in parts["jsonSchema"]["reason"], case.id
            assert not parts["value"]["pass"]


def test_a_reference_to_a_file_is_not_followed(tmp_path):
    reference = {"$ref": "./secret.json"}
    context = Context(documents=({"content": "x", **reference},), tools=({"name": "x", "parameters": reference},))
    calls = ({"name": "x", "arguments": reference},)
    case = a_case(context=context, value={"x": reference}, expected_tool_calls=calls)
    message = {"content": json.dumps(case.expectation.value), "tool_calls": [{"function": calls[0]}]}
    [result] = evaluate(tmp_path, [case], {case.id: message})
    assert CANARY not in json.dumps(result)
    assert outcome(result) == (True, [])


def test_a_reference_within_a_schema_is_followed_there(tmp_path):
    schema = {"$defs": {"x": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/x"}}}
    cases = [a_case(1, json_schema=schema), a_case(2, json_schema=schema)]
    results = evaluate(tmp_path, cases, {"case-1": '{"x": 1}', "case-2": '{"x": "1"}'})
    assert [outcome(result) for result in results] == [(True, []), (False, ["jsonSchema"])]


def test_hostile_values_are_known_when_they_come(tmp_path):
    cases = [case for case in hostile_cases() if case.input]
    results = evaluate(tmp_path, cases, {case.id: json.dumps(plain(case.expectation.value)) for case in cases})
    assert [r["vars"]["case"]["id"] for r in results if {"value", "jsonSchema"} & set(outcome(r)[1])] == []
