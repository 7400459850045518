"""What a case holds when it is to be promoted is scanned again; a refusal names kinds and places, never values."""

from dataclasses import replace

import pytest

from checks.builtin.pii.engine import PiiEngine
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.gate import MOST_PLACES, admit
from exporters.dataset.redact import RedactionFailed, Redactor

BOB = "bob@corp.org"
KEY = "sk_" + "live_aB3dE6gH9jK2mN5pQ8rS"
FIND = PiiEngine().find


def a_case(**parts) -> Case:
    defaults = {"input": "Hi", "context": Context(), "observed_output": "Hello", "expectation": Expectation()}
    source = Source(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", service="shop")
    return Case(**{"id": "case-1", "fingerprint": "f", "source": source, **defaults, **parts})


def refusal(case: Case, **given) -> str:
    with pytest.raises(RedactionFailed) as refused:
        admit(case, FIND, **given)
    return str(refused.value)


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"input": BOB}, "EMAIL_ADDRESS in input"),
        ({"observed_output": f'{{"to": "{BOB}"}}'}, "EMAIL_ADDRESS in actualOutput"),
        ({"observed_output": '{"to": "bob\\u0040corp.org"}'}, "EMAIL_ADDRESS in actualOutput"),
        ({"context": Context(system=f"key {KEY}")}, "API_KEY in context.system"),
        ({"expectation": Expectation(must_not_mention=("a", BOB))}, "EMAIL_ADDRESS in expected.mustNotMention[1]"),
        ({"expectation": Expectation(rubric=BOB)}, "EMAIL_ADDRESS in expected.rubric"),
        ({"tags": (BOB,)}, "EMAIL_ADDRESS in metadata.tags[0]"),
        (
            {"context": Context(messages=({"role": "user", "content": BOB},))},
            "EMAIL_ADDRESS in context.messages[0].content",
        ),
        (
            {"expectation": Expectation(expected_tool_calls=({"name": "x", "arguments": {BOB: 1}},))},
            "EMAIL_ADDRESS in expectedToolCalls[0].arguments.*",
        ),
        (
            {"expectation": Expectation(expected_tool_calls=({"arguments": {"password": "Summer2024!"}},))},
            "PASSWORD in expectedToolCalls[0].arguments.*",
        ),
    ],
)
def test_a_refusal_names_kind_and_place_and_no_value(parts, place):
    told = refusal(a_case(**parts))
    assert told.endswith(place)
    assert not any(value in told for value in (BOB, KEY, "Summer2024!"))


def test_a_clean_case_is_admitted_as_it_is():
    case = a_case(context=Context(documents=({"id": "kb-7", "content": "30 days"},)))
    assert admit(case, FIND) is case


def test_a_case_in_which_nothing_was_looked_for_is_marked_as_looked_at():
    assert admit(a_case(redacted=None), FIND).redacted == ()


@pytest.mark.parametrize("fakes", [False, True])
def test_what_redaction_put_into_a_case_is_no_find(fakes):
    text = f"{BOB}, call +1 415 382 2035 from 93.184.216.34, IBAN DE89370400440532013000, card 4351702343703011, {KEY}"
    clean = Redactor(FIND, fakes)(a_case(input=text))
    assert len(clean.redacted) == 6
    assert admit(clean, FIND) is clean
    assert "EMAIL_ADDRESS in input" in refusal(replace(clean, input=f"{clean.input} {BOB}"))


def test_a_value_out_of_a_reserved_range_is_a_fake_only_where_its_kind_was_replaced():
    case = a_case(input="from 203.0.113.7")
    assert "IP_ADDRESS in input" in refusal(case)
    assert admit(replace(case, redacted=("IP_ADDRESS",)), FIND)


def test_options_of_checks_are_the_configurations_unless_a_person_changed_them():
    configured = Expectation(checks={"pii": {"version": "1", "options": {"allow": [BOB]}}})
    edited = Expectation(checks={**configured.checks, "own": {"options": {"who": "eve@corp.org"}}})
    case = a_case(expectation=configured)
    assert admit(case, FIND, trusted=case) is case
    told = refusal(a_case(expectation=edited), trusted=case)
    assert told.endswith("EMAIL_ADDRESS in expected.checks.*.*.*")


def test_the_name_of_who_took_the_case_and_own_ids_are_not_captured_text():
    assert admit(a_case(reviewed_by=BOB), FIND)


def test_a_refusal_names_a_bounded_number_of_places():
    told = refusal(a_case(tags=(BOB,) * (MOST_PLACES + 5)))
    assert told.count("EMAIL_ADDRESS") == MOST_PLACES
    assert told.endswith("and 5 more")
