"""What was replaced in a case can be told from the case."""

import pytest

from checks.builtin.pii.engine import PiiEngine
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.redact import Redactor
from exporters.dataset.replaced import counts, replacements
from exporters.dataset.shape import to_json

BOB = "bob@corp.org"


def a_case(**parts) -> Case:
    source = Source(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", service="shop")
    defaults = {
        "input": f"I am {BOB}, call (415) 382-2035",
        "context": Context(messages=({"role": "user", "content": BOB, "toolCalls": [{"arguments": {BOB: 1}}]},)),
        "observed_output": None,
        "expectation": Expectation(),
    }
    return Case(**{"id": "case-1", "fingerprint": "f", "source": source, **defaults, **parts})


@pytest.mark.parametrize("fakes", [False, True])
def test_every_placeholder_is_told_with_its_kind_and_place(fakes):
    clean = Redactor(PiiEngine().find, fakes)(a_case())
    made = replacements(clean)
    assert [(r.entity, r.place, r.in_key) for r in made] == [
        ("EMAIL_ADDRESS", "input", False),
        ("PHONE_NUMBER", "input", False),
        ("EMAIL_ADDRESS", "context.messages[0].content", False),
        ("EMAIL_ADDRESS", f"context.messages[0].toolCalls[0].arguments.{made[0].placeholder}", True),
    ]
    assert counts(made) == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}


@pytest.mark.parametrize("fakes", [False, True])
def test_the_offsets_lead_to_the_placeholder(fakes):
    clean = Redactor(PiiEngine().find, fakes)(a_case())
    for replacement in replacements(clean):
        text = to_json(clean)
        for step in replacement.path:
            text = step if replacement.in_key and step == replacement.path[-1] else text[step]
        assert text[replacement.start : replacement.end] == replacement.placeholder


def test_what_only_looks_like_a_placeholder_is_none():
    assert replacements(a_case(input="<EMAIL_ADDRESS_1>", redacted=())) == ()
    assert replacements(a_case(input="<EMAIL_ADDRESS_1> 203.0.113.7", redacted=("US_SSN",))) == ()
    assert replacements(a_case(redacted=None)) == ()
