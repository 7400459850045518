"""The check of JSON answers: where JSON is asked for, and what is wrong with it. One file a check, however long."""

import json
from types import MappingProxyType

import pytest
from builders import a_message, a_model_call, an_interaction
from hypothesis import given
from hypothesis import strategies as st

from checks.builtin.valid_json import ValidJson
from checks.check import Check, OptionError
from checks.finding import Severity
from checks.interaction import ResponseFormat, ToolRequest

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
    "required": ["id"],
    "$defs": {"item": {"properties": {"qty": {"type": "integer"}}}},
}


def asked_for_json(output, *, schema=None, **call):
    message = a_message(output, role="assistant")
    model_call = a_model_call(**{"response_format": ResponseFormat("json", schema), "output": (message,), **call})
    return an_interaction(output, steps=(model_call,), output_span="00000000000000cc")


def findings(output, *, schema=None, finish=(), **options):
    return list(ValidJson(**options).inspect(asked_for_json(output, schema=schema, finish_reasons=finish)))


def codes(output, **parts):
    return [f.code for f in findings(output, **parts)]


def place(finding):
    return finding.evidence[0].start, finding.evidence[0].end


GOOD = [
    "{}",
    "[]",
    "null",
    "0",
    "-0.0e-10",
    '"text"',
    ' \t\r\n{"a": [1, 2.5e+3, true, false, null, "x\\u00e9\\n"]} \n',
    '{"退款": "三十天", "emoji": "😀", "rtl": "שלום"}',
    '{"half": "\\ud83d"}',
    '{"big": ' + "9" * 200_000 + "}",
    '{"small": -1e999}',
    "[" * 200 + "]" * 200,
    '{"": 0}',
    '"\x7f\u2028"',
]


@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_json_passes(text):
    assert codes(text) == []


NOT_JSON = [
    ("{'a': 1}", 1),
    ('{"a": 1,}', 8),
    ("[1, 2,]", 6),
    ("[1,,2]", 3),
    ("[NaN]", 1),
    ("[-Infinity]", 1),
    ('{"a": None}', 6),
    ('{"a": True}', 6),
    ('{"a": 1} // done', 9),
    ('/* a */ {"a": 1}', 0),
    ('{"a" 1}', 5),
    ('{"a": 1 "b": 2}', 8),
    ("{a: 1}", 1),
    ("01", 1),
    ("+1", 0),
    ("[.5]", 1),
    ("[1.]", 2),
    ("0x1F", 1),
    ('["a\nb"]', 3),
    ('["\\x41"]', 2),
    ('["\\u00g1"]', 2),
    ("\ufeff{}", 0),
    ("\u00a0{}", 0),
    ("{} {}", 3),
    ("}", 0),
    ("[1}", 2),
    ('{"a": 1]', 7),
    ("Here is the JSON: {}", 0),
    ("{“a”: 1}", 1),
    ("[\u0661]", 1),
    ("[" * 201 + "]" * 201, 200),
    ('{"a": ' + "[" * 300 + "]" * 300 + ', "a": 1}', 205),
]


@pytest.mark.parametrize(("text", "start"), NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_told_at_its_place(text, start):
    (finding,) = findings(text, finish=("stop",))
    assert (finding.code, place(finding)) == ("not_json", (start, start + 1))


TRUNCATED = [
    "{",
    "[",
    '{"a"',
    '{"a":',
    '{"a": 1',
    '{"a": 1,',
    "[1,",
    '"abc',
    '["a\\',
    '["a\\u12',
    "[t",
    "[-",
    "[1.",
    "12e+",
]


@pytest.mark.parametrize("text", TRUNCATED)
def test_the_beginning_of_json_is_truncated(text):
    (finding,) = findings(text + "\n" if text.endswith(("{", ",", ":")) else text)
    assert (finding.code, place(finding)) == ("truncated", (len(text) - 1, len(text)))


def test_an_endless_nesting_is_survived():
    assert codes("[" * 100_000) == ["not_json"]


def test_what_was_cut_at_the_token_limit_is_truncated():
    assert codes('Sure! Here is {"a": 1', finish=("length",)) == ["truncated"]


def test_whole_json_passes_although_the_token_limit_was_met():
    assert codes('{"a": 1}', finish=("length",)) == []


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_white_space_is_empty(text):
    assert codes(text, finish=("length",)) == ["empty"]


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": 1}\n```',
        '\n\n```\n{"a": 1}\n```\n',
        '~~~~json\r\n{"a": 1}\r\n~~~~',
        '```json {"a": 1}```',
        '```{"a": 1}```',
        '```json\n{"a": 1}\n',
    ],
)
def test_a_code_block_around_json_is_fenced_unless_allowed(text):
    assert (codes(text), codes(text, allow_fence=True)) == (["fenced"], [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('```json\n{"a": 1,}\n```', "not_json"),
        ('```json\n{"a": 1', "truncated"),
        ("```json\n```", "empty"),
        ("```", "empty"),
        ('```json\n{"a": 1}\n```\nAnything else?', "not_json"),
        ("```json\n{}\n```\n```json\n{}\n```", "not_json"),
    ],
)
def test_a_broken_answer_in_a_code_block_gets_both_codes(text, code):
    assert (codes(text), codes(text, allow_fence=True)) == (["fenced", code], [code])


def test_text_beside_a_code_block_is_not_json():
    assert codes('Sure:\n```json\n{"a": 1}\n```', allow_fence=True) == ["not_json"]


def test_a_place_inside_a_code_block_is_told_in_the_whole_text():
    text = '```json\n{"a": 1,}\n```'
    assert place(findings(text, allow_fence=True)[0]) == (text.index("}"), text.index("}") + 1)


def test_a_repeated_key_is_told_at_its_second_place():
    text = '{"é": {"b": 1}, "b": [{"c": 1, "c": 2}], "\\u00e9": 3}'
    (finding,) = findings(text)
    texts = [text[e.start : e.end] for e in finding.evidence]
    assert (finding.code, texts) == ("duplicate_key", ['"c"', '"\\u00e9"'])


def test_repeated_keys_pass_where_they_are_allowed():
    assert codes('{"a": 1, "a": 2}', allow_duplicate_keys=True) == []


def test_a_violation_is_told_at_the_offending_value():
    text = '{"id": "x", "items": [{"qty": 1}, {"qty": "one"}]}'
    (finding,) = findings(text, schema=ORDER)
    start, end = place(finding)
    assert (finding.code, text[start:end]) == ("schema_violation", '"one"')
    assert "/items/1/qty" in finding.message
    assert "/$defs/item/properties/qty/type" in finding.message


def test_a_missing_property_is_told_at_its_object():
    (finding,) = findings(' {"items": []} ', schema=ORDER)
    assert (place(finding), "'required'" in finding.message) == ((1, 14), True)


def test_keys_that_only_the_model_named_stay_out_of_messages():
    schema = {"additionalProperties": {"type": "integer"}}
    (finding,) = findings('{"anna.smith@example.com": "4111"}', schema=schema)
    assert not any(part in finding.message for part in ("anna", "4111"))
    assert "/*" in finding.message


def test_many_violations_are_capped_and_counted():
    found = findings(json.dumps(["x"] * 500), schema={"items": {"type": "integer"}})
    assert (len(found), {f.code for f in found}) == (11, {"schema_violation"})
    assert "490 more" in found[-1].message


def test_of_a_large_answer_only_the_first_violation_is_told():
    assert codes(json.dumps(["x"] * 100_000), schema={"items": {"type": "integer"}}) == ["schema_violation"]


@pytest.mark.parametrize("text", ["9" * 5000, "1e999", "-" + "9" * 5000])
def test_a_number_beyond_every_machine_is_judged_by_the_schema(text):
    assert codes(text, schema={"type": "number"}) == []
    assert codes(text, schema={"type": "number", "minimum": 0, "maximum": 1000}) == ["schema_violation"]


@pytest.mark.parametrize("text", ['{"a": "\\ud83d"}', '{"a": "\ud83d"}'])
def test_a_lone_surrogate_is_judged_by_the_schema_as_one_character(text):
    limit = {"properties": {"a": {"type": "string", "maxLength": 1}}}
    assert codes(text, schema=limit) == []
    assert codes(text, schema={"properties": {"a": {"type": "null"}}}) == ["schema_violation"]


def test_the_deepest_json_that_is_read_can_be_judged_by_a_recursive_schema():
    schema = {"type": "array", "items": {"$ref": "#"}}
    assert codes("[" * 200 + "]" * 200, schema=schema) == []
    assert codes("[" * 199 + "1" + "]" * 199, schema=schema) == ["schema_violation"]


def test_a_schema_is_read_in_the_dialect_that_it_names():
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert (codes("[1]", schema=draft7), codes('["a", 1]', schema=draft7)) == (["schema_violation"], [])


def test_the_schema_of_the_options_comes_before_the_recorded_one():
    assert codes("1", schema={"type": "string"}) == ["schema_violation"]
    check = ValidJson(schema={"type": "integer"})
    assert list(check.inspect(asked_for_json("1", schema={"type": "string"}))) == []


def test_the_recorded_schema_can_be_ignored():
    check = ValidJson(use_recorded_schema=False)
    assert list(check.inspect(asked_for_json("1", schema={"type": "string"}))) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"pattern": "("},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$schema": "https://example.com/own"},
        {"enum": [{1, 2}]},
        {"const": float("nan")},
        {"const": "\ud800"},
    ],
)
def test_an_unusable_schema_is_refused_as_option_and_a_warning_when_recorded(schema):
    with pytest.raises(OptionError) as caught:
        ValidJson(schema=schema)
    assert caught.value.option == "schema"
    (finding,) = findings("1", schema=schema)
    assert (finding.code, finding.severity) == ("schema_unusable", Severity.WARNING)


def test_a_schema_that_holds_itself_is_refused():
    schema = {}
    schema["not"] = schema
    with pytest.raises(OptionError, match="nested too deep"):
        ValidJson(schema=schema)


def test_the_place_of_a_wrong_schema_is_told():
    with pytest.raises(OptionError, match="/properties/a/type"):
        ValidJson(schema={"properties": {"a": {"type": "text"}}})


def test_a_schema_is_never_fetched():
    with pytest.raises(OptionError, match="schemas are not fetched"):
        ValidJson(schema={"$ref": "http://127.0.0.1:9/schema.json"})


def test_a_pattern_that_takes_too_long_is_a_warning():
    (finding,) = findings(json.dumps("a" * 60 + "b"), schema={"pattern": "^(?=a)(a|aa)+(?!x)c$"})
    assert (finding.code, finding.severity) == ("schema_unusable", Severity.WARNING)


@pytest.mark.parametrize(
    "options", [{"always": "yes"}, {"allow_fence": 1}, {"schema": "schema.json"}, {"schema": [1]}, {"schema": True}]
)
def test_options_of_the_wrong_type_are_refused(options):
    with pytest.raises(OptionError) as caught:
        ValidJson(**options)
    assert caught.value.option in options


def test_a_read_only_mapping_is_a_schema():
    check = ValidJson(schema=MappingProxyType({"properties": MappingProxyType({"a": {"type": "string"}})}))
    assert [f.code for f in check.inspect(asked_for_json('{"a": 1}'))] == ["schema_violation"]


def test_evidence_names_the_span_and_the_path_of_the_output():
    (finding,) = findings("nope")
    assert (finding.evidence[0].span_id, finding.evidence[0].path) == ("00000000000000cc", "output")


def test_it_keeps_the_contract_of_a_check():
    check = ValidJson(schema={"type": "object"})
    assert isinstance(check, Check)
    assert hash(check) == hash(ValidJson(schema={"type": "object"}))


APPLIES = {
    "asked for json": asked_for_json("{}"),
    "asked for json without a recorded message": an_interaction(
        "{}", steps=(a_model_call(response_format=ResponseFormat("json")),)
    ),
    "asked for json and got an empty text": asked_for_json(""),
}
DOES_NOT_APPLY = {
    "asked for text": asked_for_json("{}", response_format=ResponseFormat("text")),
    "nothing recorded": asked_for_json("{}", response_format=None),
    "no model call": an_interaction("{}"),
    "no output": an_interaction(None, steps=asked_for_json("{}").steps),
    "refused": an_interaction("No.", steps=asked_for_json("No.").steps, refusal=True),
    "only tools called": an_interaction(
        "",
        steps=(
            a_model_call(
                response_format=ResponseFormat("json"),
                output=(a_message("", role="assistant", tool_requests=(ToolRequest("search"),)),),
            ),
        ),
    ),
    "only an earlier call asked": an_interaction(
        "Two mugs.", steps=(*asked_for_json("{}").steps, a_model_call(output=(a_message("Two mugs."),)))
    ),
}


@pytest.mark.parametrize("interaction", APPLIES.values(), ids=APPLIES)
def test_it_applies_where_json_was_asked_for(interaction):
    assert ValidJson().applies_to(interaction)


@pytest.mark.parametrize("interaction", DOES_NOT_APPLY.values(), ids=DOES_NOT_APPLY)
def test_it_does_not_apply_elsewhere(interaction):
    assert not ValidJson().applies_to(interaction)
    assert list(ValidJson().inspect(interaction)) == []


def test_always_judges_what_nobody_asked_for():
    check = ValidJson(always=True)
    interaction = an_interaction("Fine.")
    assert check.applies_to(interaction)
    assert [f.code for f in check.inspect(interaction)] == ["not_json"]


def test_always_spares_refusals_and_missing_outputs():
    check = ValidJson(always=True)
    assert not check.applies_to(an_interaction("No.", refusal=True))
    assert not check.applies_to(an_interaction(None))


def test_the_models_own_text_is_judged_where_the_app_rendered_it():
    call = a_model_call(response_format=ResponseFormat("json"), output=(a_message('{"qty": 2'),), span_id="ab" * 8)
    (finding,) = ValidJson().inspect(an_interaction("Two mugs.", steps=(call,)))
    assert (finding.code, finding.evidence[0].span_id, finding.evidence[0].start) == ("truncated", "ab" * 8, None)


def test_always_judges_the_final_text_although_the_model_said_another():
    call = a_model_call(response_format=ResponseFormat("json", {"type": "object"}), output=(a_message("{}"),))
    check = ValidJson(always=True)
    assert list(check.inspect(an_interaction("[]", steps=(call,)))) == []
    assert [f.code for f in check.inspect(an_interaction("Two mugs.", steps=(call,)))] == ["not_json"]


def test_a_later_call_that_did_not_answer_the_user_does_not_count():
    title = a_model_call(output=None, error=None)
    interaction = an_interaction("{", steps=(*asked_for_json("{").steps, title))
    assert [f.code for f in ValidJson().inspect(interaction)] == ["truncated"]


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.booleans())
def test_any_text_gets_findings_with_known_codes_inside_the_text(text, allow_fence):
    for finding in findings(text, allow_fence=allow_fence, schema=ORDER):
        assert finding.code in ValidJson.info.codes
        assert all(0 <= e.start < max(e.end, 1) <= max(len(text), 1) for e in finding.evidence)
