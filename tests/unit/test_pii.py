"""The PII check: what it reports, where, and how severely."""

import dataclasses

import pytest
from builders import a_message, a_model_call, a_retrieval, a_trace, an_interaction

from checks import catalogue
from checks.builtin.pii import LABELS, Pii
from checks.builtin.pii.policy import DEFAULT_ENTITIES, RULES
from checks.check import Check, OptionError
from checks.finding import Evidence, Severity
from checks.interaction import Interaction, ToolCall
from checks.report import Outcome
from checks.runner import run
from checks.vetting import vet

LEAK = (
    "Ticket 8841 was handled by Maria Keller. Write to maria.keller@example.com or call +49 30 901820; "
    "the card on file is 4111 1111 1111 1111."
)


def findings(check: Pii, interaction: Interaction):
    """The check's findings, after the runner's own vetting of codes and offsets."""
    return vet(check.inspect(interaction), check.info, interaction)[0]


def codes(check: Pii, interaction: Interaction) -> list[str]:
    return [finding.code for finding in findings(check, interaction)]


def a_lookup(arguments: object = None, result: object = None) -> Interaction:
    call = ToolCall(span_id="00000000000000cc", name="find_customer", arguments=arguments, result=result)
    return an_interaction("Done.", steps=(call,))


def test_it_keeps_the_contract_of_a_check():
    assert isinstance(Pii(), Check)


def test_each_entity_has_a_label_and_so_a_code():
    assert set(LABELS) == set(RULES)


def test_an_answer_with_a_phone_number_fails_and_names_the_place_but_not_the_number():
    interaction = an_interaction(LEAK, output_span="00000000000000aa")
    (finding,) = findings(Pii(), interaction)
    assert (finding.code, finding.severity) == ("phone_number", Severity.ERROR)
    assert finding.message == "the answer holds 1 phone number"
    (place,) = finding.evidence
    assert (place.span_id, place.path) == ("00000000000000aa", "output")
    assert LEAK[place.start : place.end] == "+49 30 901820"


@pytest.mark.parametrize(
    "answer",
    [
        "Annual plans can be returned within 30 days of purchase [1].",
        "I can't help with that request.",
        '{"order_id": "A-1001", "total": 42.5, "items": 3}',
        "",
    ],
)
def test_an_answer_without_personal_data_passes(answer):
    assert findings(Pii(), an_interaction(answer)) == ()


def test_the_runner_makes_a_failed_verdict_of_it():
    (verdict,) = run(an_interaction(LEAK), catalogue.build({"pii": {}})).verdicts
    assert (verdict.check, verdict.version, verdict.outcome) == ("pii", "1", Outcome.FAILED)


def test_values_of_one_kind_are_one_finding_with_evidence_for_each():
    (finding,) = findings(Pii(), an_interaction("Ask ann@contoso.com or bob@contoso.com."))
    assert finding.message == "the answer holds 2 e-mail addresses"
    assert [place.start for place in finding.evidence] == [4, 23]


def test_kinds_are_findings_of_their_own():
    assert codes(Pii(), an_interaction("ann@contoso.com, +49 30 901820")) == ["email_address", "phone_number"]


def test_it_does_not_apply_where_no_answer_was_recorded():
    assert not Pii().applies_to(an_interaction(None))


def test_it_applies_to_an_empty_answer():
    assert Pii().applies_to(an_interaction(""))


def test_only_the_answer_is_looked_at_unless_told_otherwise():
    interaction = an_interaction(
        "Fine.", user_input="I am ann@contoso.com", system="bob@contoso.com", steps=(a_retrieval("eve@contoso.com"),)
    )
    assert findings(Pii(), interaction) == ()


@pytest.mark.parametrize(
    ("place", "path"),
    [("input", "input"), ("system", "system"), ("documents", "documents[1].content")],
)
def test_other_texts_are_looked_at_when_asked(place, path):
    interaction = an_interaction(
        "Fine.",
        user_input="I am ann@contoso.com",
        system="You are bob@contoso.com",
        steps=(a_retrieval("nothing here", "Ask eve@contoso.com"),),
    )
    (finding,) = findings(Pii(where=(place,)), interaction)
    assert finding.severity is Severity.ERROR
    assert [(e.path, e.start is not None) for e in finding.evidence] == [(path, True)]


def test_a_tool_result_that_is_a_string_gives_offsets():
    (finding,) = findings(Pii(where=("tool_results",)), a_lookup(result="mail: ann@contoso.com"))
    assert finding.evidence == (Evidence("00000000000000cc", "tool_calls[0].result", 6, 21),)


@pytest.mark.parametrize(
    "arguments",
    [{"to": ["ann@contoso.com"]}, {"ann@contoso.com": 1}, {"card": 4351702343703011}, [[[{"a": "ann@contoso.com"}]]]],
)
def test_structured_tool_arguments_are_looked_into_without_offsets_or_keys(arguments):
    (finding,) = findings(Pii(where=("tool_arguments",)), a_lookup(arguments=arguments))
    assert finding.evidence == (Evidence("00000000000000cc", "tool_calls[0].arguments"),)


def test_the_arguments_of_every_tool_call_are_looked_at_whatever_stands_between_them():
    calls = tuple(ToolCall(span_id=None, arguments=f"a{n}@contoso.com", result="ok") for n in range(3))
    (finding,) = findings(Pii(where=("tool_arguments",)), an_interaction("Done.", steps=calls))
    assert [place.path for place in finding.evidence] == [f"tool_calls[{n}].arguments" for n in range(3)]


def test_structured_tool_data_makes_the_check_apply():
    assert Pii(where=("tool_arguments",)).applies_to(a_lookup(arguments={"n": 1}))
    assert not Pii(where=("tool_results",)).applies_to(a_lookup(arguments={"n": 1}))


def test_deeply_nested_and_huge_tool_data_is_survived():
    deep: object = "ann@contoso.com"
    for _ in range(100_000):
        deep = [deep]
    wide = {"n": 10**5000, "nan": float("nan"), "b": b"\xff", "deep": deep}
    assert codes(Pii(where=("tool_results",)), a_lookup(result=wide)) == ["email_address"]


class TestEchoed:
    """Data in the output that the user typed first."""

    echo = an_interaction("I will write to Ann@Contoso.com.", user_input="my mail is ann@contoso.com")

    def test_it_is_a_warning_by_default(self):
        (finding,) = findings(Pii(), self.echo)
        assert (finding.code, finding.severity) == ("email_address", Severity.WARNING)
        assert finding.message == "the answer repeats 1 e-mail address that the user typed"

    def test_it_fails_when_told_to(self):
        assert [f.severity for f in findings(Pii(echoed="fail"), self.echo)] == [Severity.ERROR]

    def test_it_is_left_out_when_allowed(self):
        assert findings(Pii(echoed="allow"), self.echo) == ()

    def test_what_the_user_did_not_type_stays_an_error_beside_it(self):
        interaction = an_interaction("ann@contoso.com and bob@contoso.com", user_input="I am ann@contoso.com")
        assert sorted(f.severity for f in findings(Pii(), interaction)) == [Severity.ERROR, Severity.WARNING]

    @pytest.mark.parametrize(
        ("typed", "answered"),
        [
            ("call me: (212) 555-0147", "We will call +1 212 555 0147."),
            ("+49 (0)30 901820", "We will call +49 30 901820."),
            ("my card: 4351-7023-4370-3011", "Card 4351702343703011 was charged."),
            ("de81447123838602543450", "Paid from DE81 4471 2383 8602 5434 50."),
        ],
    )
    def test_another_spelling_is_the_same_value(self, typed, answered):
        (finding,) = findings(Pii(), an_interaction(answered, user_input=typed))
        assert finding.severity is Severity.WARNING

    @pytest.mark.parametrize(
        ("typed", "answered"),
        [("joann@contoso.com", "ann@contoso.com"), ("order 43517023437030119", "Card 4351702343703011 was charged.")],
    )
    def test_a_part_of_another_value_is_not_the_same(self, typed, answered):
        (finding,) = findings(Pii(), an_interaction(answered, user_input=typed))
        assert finding.severity is Severity.ERROR

    def test_an_earlier_message_of_the_user_counts(self):
        call = a_model_call(input=(a_message("I am ann@contoso.com"), a_message("Who am I?")))
        interaction = an_interaction("You are ann@contoso.com", user_input="Who am I?", steps=(call,))
        assert [f.severity for f in findings(Pii(), interaction)] == [Severity.WARNING]

    def test_a_system_message_does_not_count(self):
        call = a_model_call(input=(a_message("Owner: ann@contoso.com", role="system"), a_message("Who?")))
        interaction = an_interaction("It is ann@contoso.com", user_input="Who?", steps=(call,))
        assert [f.severity for f in findings(Pii(), interaction)] == [Severity.ERROR]

    def test_a_message_with_a_pasted_document_is_not_what_the_user_typed(self):
        prompt = "Context: Maria is ann@contoso.com\nQuestion: who is Maria?"
        steps = (a_retrieval("Maria is ann@contoso.com"), a_model_call(input=(a_message(prompt),)))
        interaction = an_interaction("ann@contoso.com", user_input=prompt, steps=steps)
        assert [f.severity for f in findings(Pii(), interaction)] == [Severity.ERROR]


class TestAllow:
    """Values that are no finding."""

    @pytest.mark.parametrize("item", ["help@shop.io", "HELP@shop.io", "shop.io", "@shop.io"])
    def test_an_address_is_allowed_by_itself_or_its_domain(self, item):
        assert findings(Pii(allow=(item,)), an_interaction("Write to help@shop.io.")) == ()

    def test_a_domain_allows_its_subdomains_but_no_other_domain_with_that_end(self):
        answer = an_interaction("a@mail.shop.io b@workshop.io")
        (finding,) = findings(Pii(allow=("shop.io",)), answer)
        assert [place.start for place in finding.evidence] == [15]

    def test_a_number_is_allowed_in_any_punctuation(self):
        assert findings(Pii(allow=("+1 800 555 0199",)), an_interaction("Call +1-800-555-0199.")) == ()


class TestLimits:
    """Long and hostile texts are cut, and say so."""

    def test_a_text_longer_than_max_chars_gets_a_warning_for_the_rest(self):
        interaction = an_interaction("x" * 100 + " ann@contoso.com")
        (finding,) = findings(Pii(max_chars=50), interaction)
        assert (finding.code, finding.severity) == ("not_fully_scanned", Severity.WARNING)
        assert finding.message == "only the first 50 of 116 characters of the answer were looked at (max_chars)"
        assert finding.evidence == (Evidence(None, "output", 50, 116),)

    def test_more_phone_numbers_than_max_phones_get_a_warning_and_the_first_ones_a_finding(self):
        interaction = an_interaction("\n".join(f"+49 30 90182{n}" for n in range(5)))
        phones, cut = sorted(findings(Pii(max_phones=3), interaction), key=lambda f: f.severity)
        assert (len(phones.evidence), phones.severity) == (3, Severity.ERROR)
        assert (cut.code, cut.severity) == ("not_fully_scanned", Severity.WARNING)

    def test_tool_data_of_more_strings_than_are_looked_at_gets_a_warning(self):
        interaction = a_lookup(result=["x"] * 5000)
        (finding,) = findings(Pii(where=("tool_results",)), interaction)
        assert (finding.code, finding.severity) == ("not_fully_scanned", Severity.WARNING)

    def test_tool_data_of_as_many_strings_as_are_looked_at_gets_none(self):
        assert codes(Pii(where=("tool_results",)), a_lookup(result=["x"] * 2000)) == []


class TestOptions:
    """Options that cannot be are refused with the rule."""

    @pytest.mark.parametrize(
        ("options", "named", "rule"),
        [
            ({"entities": ("EMAIL",)}, "entities", "EMAIL_ADDRESS"),
            ({"entities": "EMAIL_ADDRESS"}, "entities", "list of strings"),
            ({"entities": ()}, "entities", "nothing would be looked for"),
            ({"entities": ("PERSON",)}, "entities", "ner_model"),
            ({"where": ("answer",)}, "where", "output, input"),
            ({"where": ()}, "where", "nothing would be looked at"),
            ({"echoed": "ignore"}, "echoed", "fail, warn, allow"),
            ({"engine": "spacy"}, "engine", "gated, presidio"),
            ({"max_chars": 0}, "max_chars", "from 1 up"),
            ({"max_phones": True}, "max_phones", "from 0 up"),
            ({"allow": ("*@shop.io",)}, "allow", "patterns are not possible"),
            ({"phone_regions": ("UK",)}, "phone_regions", "ISO 3166"),
            ({"ner_model": "xx_not_there_sm"}, "ner_model", "is not installed"),
            ({"ner_model": "../model"}, "ner_model", "no name of a spaCy model"),
        ],
    )
    def test_a_bad_one_is_refused(self, options, named, rule):
        with pytest.raises(OptionError, match=rule) as caught:
            Pii(**options)
        assert caught.value.option == named

    def test_entities_may_be_written_in_lower_case_and_as_a_list(self):
        assert Pii(entities=["email_address"]).entities == ("EMAIL_ADDRESS",)

    def test_only_the_entities_that_are_named_are_looked_for(self):
        assert codes(Pii(entities=("US_SSN",)), an_interaction("ann@contoso.com, SSN 446-22-9503")) == ["us_ssn"]

    def test_an_entity_that_is_opted_in_counts_behind_its_word_only(self):
        check = Pii(entities=("UK_NHS",))
        assert codes(check, an_interaction("Her NHS number is 943 476 5919.")) == ["uk_nhs"]
        assert codes(check, an_interaction("Her order number is 943 476 5919.")) == []

    def test_national_numbers_are_read_as_those_of_the_regions_given(self):
        answer = an_interaction("Tel. 02 9374 4000")
        assert codes(Pii(phone_regions=("AU",)), answer) == ["phone_number"]
        assert codes(Pii(phone_regions=("US",)), answer) == []

    def test_both_engines_can_be_chosen(self):
        assert codes(Pii(engine="presidio"), an_interaction(LEAK)) == ["phone_number"]

    def test_the_check_can_be_made_from_a_configuration(self):
        (planned,) = catalogue.build({"pii": {"entities": list(DEFAULT_ENTITIES), "where": ["output", "input"]}})
        assert planned.check == Pii(where=("output", "input"))


def test_no_finding_of_any_answer_holds_a_part_of_it():
    secret = "ann@contoso.com 4351702343703011 446-22-9503 DE81447123838602543450 93.184.216.34 +49 30 901820"
    shown = repr([dataclasses.asdict(f) for f in findings(Pii(), an_interaction(secret, trace=a_trace()))])
    assert not [value for value in secret.split() if value in shown]


@pytest.mark.parametrize("answer", ["\ud800 ann@contoso.com", "\x00 ann@contoso.com", "\U0001f600 ann@contoso.com"])
def test_characters_that_cannot_be_encoded_are_survived(answer):
    (finding,) = findings(Pii(), an_interaction(answer))
    assert [(place.start, place.end) for place in finding.evidence] == [(2, 17)]
