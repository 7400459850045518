"""Personal data is gone from a case, consistently, and what is JSON stays JSON."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.builtin.pii.engine import PiiEngine
from exporters.dataset.captured import CAPTURED, OWN, OWN_KEYS
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.formats.jsonl import line
from exporters.dataset.redact import RedactionFailed, Redactor
from exporters.dataset.scan import MOST_USUAL
from exporters.dataset.shape import to_json
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


def test_a_short_text_that_holds_nothing_is_looked_at_once_for_all_cases():
    looked: list[str] = []
    redact = Redactor(lambda text: looked.append(text) or [])
    for name in ("usual", "usual", "other"):
        assert redact(a_case(input=name)).input == name
    assert (looked.count("usual"), looked.count("other")) == (1, 1)


def test_so_many_short_texts_are_remembered_and_no_more():
    redact = Redactor(find_mail)
    for first in range(0, 2 * MOST_USUAL, 1000):
        redact(a_case(input=None, context=Context(documents=tuple({"id": f"kb-{first + n}"} for n in range(1000)))))
        assert 0 < len(redact._usual) <= MOST_USUAL


def test_a_text_that_held_nothing_alone_is_replaced_beside_the_name_of_what_it_is():
    redact = Redactor(find_by(US_SSN=r'(?<="ssn": ")\d{9}'))
    for value in ("123456789", "x7Kq92LmPz"):
        assert redact(a_case(input=value)).input == value
    calls = ({"ssn": "123456789", "password": "x7Kq92LmPz"},)
    clean = redact(a_case(expectation=Expectation(expected_tool_calls=calls)))
    assert clean.expectation.expected_tool_calls == ({"ssn": "<US_SSN_1>", "password": "<PASSWORD_1>"},)


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


def test_a_short_value_is_replaced_as_a_whole_word_and_a_longer_one_anywhere():
    known = [("PERSON", "Ann"), ("PERSON", "Annabel"), ("PERSON", "Annabel Lee")]
    text = "Ann, Anna, xAnn Ann_ and Ann: Annabel Lee, Annabelle"
    clean = Redactor(find_mail)(a_case(input=text), known=known)
    assert clean.input == "<PERSON_1>, Anna, xAnn Ann_ and <PERSON_1>: <PERSON_3>, <PERSON_2>le"


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


PHONES = ("+1 (415) 382-2035", "415.382.2035", "1-415-382-2035", "4153822035")


@pytest.mark.parametrize(
    ("first", "second", "third"),
    [
        *(("+1 415 382 2035", other, "4153822035") for other in PHONES),
        ("+44 20 7946 1958", "020 7946 1958", "+44 (0)20 7946 1958"),
        ("+44 20 7946 1958", "442079461958", "00442079461958"),
        ("Bob.Smith@Corp.org", "bob.smith@corp.org", "BOB.SMITH@CORP.ORG"),
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("4351 7023 4370 3011", "4351702343703011", "4351-7023-4370-3011"),
        ("446-22-9503", "446229503", "446 22 9503"),
        ("2a00:1450:4009:81f::200e", "2A00:1450:4009:081F:0:0:0:200E", "2a00:1450:4009:81f:0::200e"),
    ],
)
def test_one_value_in_several_spellings_has_one_placeholder_also_where_nothing_tells_what_it_is(first, second, third):
    case = a_case(
        input=f"Take {first} please",
        context=Context(documents=({"content": f"on file {second}"},)),
        expectation=Expectation(expected_tool_calls=({"arguments": {"ref": third}},)),
    )
    clean = Redactor(PiiEngine().find)(case)
    (entity,) = clean.redacted
    assert clean.input == f"Take <{entity}_1> please"
    assert clean.context.documents[0]["content"] == f"on file <{entity}_1>"
    assert clean.expectation.expected_tool_calls == ({"arguments": {"ref": f"<{entity}_1>"}},)


def test_two_numbers_that_end_alike_are_two_values():
    clean = Redactor(PiiEngine().find)(a_case(input="call (415) 382-2035 or (212) 382-2035"))
    assert clean.input == "call <PHONE_NUMBER_1> or <PHONE_NUMBER_2>"


def test_a_number_in_a_tool_call_stays_a_number_where_its_fake_is_one():
    case = a_case(
        input="my card 4351 7023 4370 3011, SSN 446-22-9503",
        observed_output='{"card": 4351702343703011, "n": 1.50}',
        expectation=Expectation(expected_tool_calls=({"arguments": {"card": 4351702343703011, "ssn": 446229503}},)),
    )
    clean = Redactor(PiiEngine().find, fakes=True)(case)
    arguments = clean.expectation.expected_tool_calls[0]["arguments"]
    assert all(type(value) is int for value in arguments.values())
    assert arguments != case.expectation.expected_tool_calls[0]["arguments"]
    assert json.loads(clean.observed_output) == {"card": arguments["card"], "n": 1.5}
    assert clean.input.replace(" ", "").replace("-", "") == f"mycard{arguments['card']},SSN{arguments['ssn']}"


def test_fakes_are_the_same_in_every_run_and_no_tag_is_left():
    case = a_case(input=f"{BOB} (415) 382-2035 93.184.216.34")
    clean = Redactor(PiiEngine().find, fakes=True)(case)
    assert clean == Redactor(PiiEngine().find, fakes=True)(case)
    assert "<" not in clean.input
    assert clean.redacted == ("EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER")


def test_a_fake_that_the_case_holds_already_is_not_given_out():
    taken = Redactor(PiiEngine().find, fakes=True)(a_case(input=BOB)).input
    clean = Redactor(PiiEngine().find, fakes=True)(a_case(input=f"{BOB} {taken}"))
    assert clean.input.split()[0] != taken == clean.input.split()[1]


def test_a_redacted_case_that_was_edited_keeps_its_placeholders_and_gets_new_numbers():
    clean = Redactor(find_mail)(a_case(input=BOB))
    again = Redactor(find_mail)(replace(clean, input=f"{clean.input} eve@corp.org"))
    assert again.input == "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>"


def test_secrets_are_replaced_and_have_tags_where_others_have_fakes():
    key = "sk_" + "live_aB3dE6gH9jK2mN5pQ8rS"
    case = a_case(input=f"use {key}", observed_output=json.dumps({"header": f"Bearer {key}"}))
    clean = Redactor(find_mail, fakes=True)(case)
    assert (clean.input, clean.observed_output) == ("use <API_KEY_1>", '{"header": "Bearer <API_KEY_1>"}')
    assert clean.redacted == ("API_KEY",)


def test_a_password_is_known_by_the_key_that_it_stands_under():
    case = a_case(expectation=Expectation(expected_tool_calls=({"arguments": {"password": "Summer2024!"}},)))
    clean = Redactor(find_mail)(case)
    assert clean.expectation.expected_tool_calls == ({"arguments": {"password": "<PASSWORD_1>"}},)


def test_a_password_that_only_its_key_tells_of_is_found_beside_other_data():
    arguments = {"to": BOB, "password": "Summer2024!"}
    case = a_case(input=BOB, expectation=Expectation(expected_tool_calls=({"arguments": arguments},)))
    clean = Redactor(find_mail)(case)
    expected = {"to": "<EMAIL_ADDRESS_1>", "password": "<PASSWORD_1>"}
    assert clean.expectation.expected_tool_calls == ({"arguments": expected},)


def test_a_case_in_which_nothing_was_looked_for_says_so_until_it_is_redacted():
    raw = a_case(redacted=None)
    assert json.loads(line(raw))["metadata"]["redacted"] is None
    assert Redactor(find_mail)(raw).redacted == ()


def test_every_part_of_the_shape_is_either_captured_or_sidechecks_own():
    shape = to_json(a_case())
    for name, keys in CAPTURED.items():
        assert {*keys, *OWN[name]} == {*(shape[name] if name else shape)}
        assert not {*keys} & {*OWN[name]}
