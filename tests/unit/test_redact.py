"""Personal data is gone from a case, consistently, and what is JSON stays JSON."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.builtin.pii.engine import PiiEngine
from exporters.dataset.captured import OWN_KEYS
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.formats.jsonl import line
from exporters.dataset.redact import RedactionFailed, Redactor
from exporters.dataset.vault import MAX_VALUES

BOB = "bob@corp.org"
PII_TEXTS = Path(__file__).parents[1] / "data" / "pii" / "llm_outputs_dev.jsonl"


@dataclass(frozen=True)
class Found:
    start: int
    end: int
    entity: str


def find_by(**patterns: str):
    """A finder that reports whatever these patterns match."""
    return lambda text: [Found(*m.span(), entity) for entity, p in patterns.items() for m in re.finditer(p, text)]


find_mail = find_by(EMAIL_ADDRESS=r"[a-z.]+@[a-z.]+[a-z]")
find_card = find_by(CREDIT_CARD=r"\d{16}")


def a_case(**parts) -> Case:
    defaults = {"input": "Hi", "context": Context(), "observed_output": "Hello", "expectation": Expectation()}
    source = Source(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", service="shop")
    return Case(**{"id": "case-1", "fingerprint": "f", "source": source, **defaults, **parts})


def test_one_value_has_one_placeholder_in_every_text_of_the_case():
    case = a_case(
        input=f"I am {BOB}",
        observed_output=f"Hello {BOB} and eve@corp.org",
        context=Context(
            documents=({"id": f"doc-{BOB}", "content": f"Owner: {BOB}", "title": BOB},),
            messages=({"role": "user", "content": BOB, "toolCalls": [{"name": "x", "arguments": {"to": BOB}}]},),
            system=f"You serve {BOB}",
            tools=({"name": "mail", "description": f"Mails {BOB}", "parameters": {"default": BOB}},),
        ),
        expectation=Expectation(
            answer=BOB, relevant_documents=(f"doc-{BOB}",), expected_tool_calls=({"arguments": {"to": BOB}},)
        ),
    )
    clean = Redactor(find_mail)(case)
    assert clean.input == "I am <EMAIL_ADDRESS_1>"
    assert clean.observed_output == "Hello <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>"
    assert clean.context.documents[0]["id"] == clean.expectation.relevant_documents[0] == "doc-<EMAIL_ADDRESS_1>"
    assert clean.context.messages[0]["toolCalls"][0]["arguments"] == {"to": "<EMAIL_ADDRESS_1>"}
    assert clean.context.tools[0]["parameters"] == {"default": "<EMAIL_ADDRESS_1>"}
    assert BOB.encode() not in line(clean)
    assert clean.redacted == ("EMAIL_ADDRESS",)


def test_a_case_without_personal_data_is_unchanged():
    case = a_case(input='{"a":  1,"a":2}', context=Context(documents=({"id": "kb-7", "score": 0.5},)))
    assert Redactor(find_mail)(case) == case


def test_letter_case_and_punctuation_of_numbers_make_no_second_value():
    find = find_by(EMAIL_ADDRESS=r"(?i)bob@corp\.org", PHONE_NUMBER=r"\(?415\)?[ -]555[ -]0132")
    clean = Redactor(find)(a_case(input="Bob@Corp.org bob@corp.org (415) 555-0132 415-555-0132"))
    assert clean.input == "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1> <PHONE_NUMBER_1> <PHONE_NUMBER_1>"


def test_a_number_known_from_its_context_is_gone_from_a_text_without_one():
    find = find_by(PHONE_NUMBER=r"(?<=phone )\d{10}")
    clean = Redactor(find)(a_case(input="my phone 4155550132", observed_output="Calling 4155550132"))
    assert clean.observed_output == "Calling <PHONE_NUMBER_1>"


def test_what_only_the_written_line_gives_away_is_found():
    find = find_by(US_SSN=r'(?<="ssn": ")\d{9}')
    case = a_case(expectation=Expectation(expected_tool_calls=({"ssn": "123456789"},)))
    assert Redactor(find)(case).expectation.expected_tool_calls == ({"ssn": "<US_SSN_1>"},)


def test_a_json_answer_stays_valid_json_and_keeps_its_form():
    answer = f'{{"to":  "{BOB}\\n", "card": 4000123412341234, "to": "x", "n": 1.50}}'
    clean = Redactor(lambda text: [*find_mail(text), *find_card(text)])(a_case(observed_output=answer))
    expected = '{"to":  "<EMAIL_ADDRESS_1>\\n", "card": "<CREDIT_CARD_1>", "to": "x", "n": 1.50}'
    assert clean.observed_output == expected
    json.loads(clean.observed_output)


def test_fenced_json_stays_valid_json():
    clean = Redactor(find_card)(a_case(observed_output='```json\n{"card": 4000123412341234}\n```'))
    assert clean.observed_output == '```json\n{"card": "<CREDIT_CARD_1>"}\n```'


def test_a_value_behind_json_escapes_and_in_nested_json_is_found():
    inner = json.dumps({"mail": "bob\u0040corp.org"}).replace("@", "\\u0040")
    outer = json.dumps({"arguments": inner})
    clean = Redactor(find_mail)(a_case(observed_output=outer))
    assert json.loads(json.loads(clean.observed_output)["arguments"]) == {"mail": "<EMAIL_ADDRESS_1>"}


def test_the_letter_of_an_escape_is_no_part_of_a_value():
    clean = Redactor(find_mail)(a_case(observed_output='{"a": "\\nbob@corp.org"}', input="x\n@corp.org"))
    assert json.loads(clean.observed_output) == {"a": "\n<EMAIL_ADDRESS_1>"}


def test_an_integer_argument_that_is_a_card_number_becomes_a_placeholder():
    case = a_case(expectation=Expectation(expected_tool_calls=({"card": 4000123412341234, "n": 3, "ok": True},)))
    clean = Redactor(find_card)(case)
    assert clean.expectation.expected_tool_calls == ({"card": "<CREDIT_CARD_1>", "n": 3, "ok": True},)


def test_known_values_are_replaced_though_the_finder_misses_them():
    clean = Redactor(find_mail)(a_case(input="Ada Lovelace asks"), known=[("PERSON", "Ada Lovelace")])
    assert clean.input == "<PERSON_1> asks"


def test_overlapping_finds_are_replaced_as_one():
    find = find_by(CREDIT_CARD=r"4000 1234", PHONE_NUMBER=r"1234 5678")
    assert Redactor(find)(a_case(input="4000 1234 5678")).input == "<CREDIT_CARD_1>"


def test_a_placeholder_of_the_apps_own_is_not_given_out_again():
    assert Redactor(find_mail)(a_case(input=f"<EMAIL_ADDRESS_1> {BOB}")).input == "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>"


def test_digits_in_a_look_alike_placeholder_are_found():
    clean = Redactor(find_card)(a_case(input="<A_4000123412341234>"))
    assert clean.input == "<A_<CREDIT_CARD_1>>"


def test_a_finder_that_never_comes_to_rest_makes_the_redaction_fail_without_naming_a_value():
    find_always = find_by(US_SSN=r"\b[a-z]")
    with pytest.raises(RedactionFailed, match="US_SSN") as failure:
        Redactor(find_always)(a_case(input="my secret is long"))
    assert "secret" not in str(failure.value)


def test_more_values_than_an_example_can_hold_are_refused():
    dump = " ".join(f"u{'a' * n}@b.c" for n in range(MAX_VALUES + 1))
    with pytest.raises(RedactionFailed, match="more than"):
        Redactor(find_mail)(a_case(input=dump))


def test_values_in_a_text_that_only_begins_like_json_are_replaced():
    assert Redactor(find_mail)(a_case(observed_output=f'[1] says {BOB} {{"')).observed_output == (
        '[1] says <EMAIL_ADDRESS_1> {"'
    )


def test_own_ids_and_names_of_checks_are_left_alone():
    case = a_case(expectation=Expectation(checks={"pii": {"version": "1", "options": {"allow": [BOB]}}}))
    case = replace(case, id=f"case-{BOB}", reviewed_by=BOB)
    assert Redactor(find_mail)(case) == case


@pytest.mark.parametrize("scripts", ["\x00", "\ud800", "<script>alert(1)</script>", "\u202e", "\x1b[31m"])
def test_hostile_text_survives_redaction(scripts):
    clean = Redactor(find_mail)(a_case(input=f"{scripts}{BOB}{scripts}"))
    assert "<EMAIL_ADDRESS_1>" in clean.input
    json.loads(line(clean))


def test_nothing_of_the_labelled_texts_is_found_again_in_the_written_line():
    engine = PiiEngine()
    redactor = Redactor(engine.find)
    rows = [json.loads(row) for row in PII_TEXTS.read_text(encoding="utf-8").split("\n") if row]
    for row in rows:
        values = [row["text"][m.start : m.end] for m in engine.find(row["text"])]
        clean = redactor(a_case(observed_output=row["text"], input=json.dumps({"say": row["text"]})))
        written = line(clean).decode()
        assert not [value for value in values if value in written], row["id"]
        json.loads(clean.input)


def test_keys_that_are_always_the_same_hold_no_data_and_are_not_looked_at():
    seen: list[str] = []

    def find(text: str) -> list[Found]:
        seen.append(text)
        return []

    Redactor(find)(a_case(context=Context(documents=({"id": "kb-1", "content": "text", "page": "12"},))))
    assert not OWN_KEYS.intersection(seen)
    assert {"kb-1", "page", "12"} <= {*seen}
    assert [key for key in OWN_KEYS if PiiEngine().find(key)] == []


def test_a_text_that_is_all_known_goes_without_being_found():
    demands = Expectation(must_not_mention=("Ada Lovelace",))
    clean = Redactor(find_mail)(a_case(input="Ada", expectation=demands), known=[("PERSON", "Ada Lovelace")])
    assert clean.expectation.must_not_mention == ("<PERSON_1>",)
