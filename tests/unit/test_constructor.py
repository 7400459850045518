"""Frozen dataclasses made at the price of plain ones: nobody can tell by which way one was made."""

import dataclasses

import pytest
from builders import a_trace

from checks.constructor import constructor_of
from checks.interaction import Interaction, ModelCall, Usage
from checks.span import Span

MADE = [
    (Span, {"trace_id": "t", "span_id": "s", "attributes": {"a": 1}}),
    (ModelCall, {"span_id": "s", "model": "m", "usage": Usage(input=3)}),
    (Usage, {}),
    (Interaction, {"trace": a_trace(), "convention": "genai"}),
]


@pytest.mark.parametrize(("cls", "parts"), MADE, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_made_equals_what_the_class_makes_and_is_of_that_class(cls, parts):
    made = constructor_of(cls)(**parts)
    assert made == cls(**parts)
    assert type(made) is cls
    assert repr(made) == repr(cls(**parts))


def test_parts_are_taken_by_position_as_the_class_takes_them():
    assert constructor_of(Usage)(1, 2, 3, 4) == Usage(1, 2, 3, 4)


@pytest.mark.parametrize(("cls", "parts"), MADE, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_made_is_frozen(cls, parts):
    made = constructor_of(cls)(**parts)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(cls)[0].name, None)


def test_a_default_that_is_a_mapping_is_not_shared():
    new_span = constructor_of(Span)
    assert new_span("t", "s").attributes is not new_span("t", "s").attributes


def test_what_is_made_can_be_changed_by_replace():
    assert dataclasses.replace(constructor_of(Usage)(1), output=2) == Usage(1, 2)
