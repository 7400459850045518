"""Typed look-ups in captured attributes."""

import pytest

from collector.conventions import attributes as attrs


@pytest.mark.parametrize("value", [None, "", 1, True, b"x", ["x"], {"x": 1}])
def test_what_is_no_text_is_not_recorded(value):
    assert attrs.text({"a": value}, "a") is None


def test_the_first_key_that_holds_something_counts():
    assert attrs.text({"a": 5, "b": "x", "c": "y"}, "a", "b", "c") == "x"


@pytest.mark.parametrize(("value", "found"), [("u1", "u1"), (7, "7"), (True, None), (1.5, None), ("", None)])
def test_an_id_may_be_a_number(value, found):
    assert attrs.identifier({"a": value}, "a") == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(7, 7), (7.0, 7), ("41", 41), (0, 0), (-1, None), (1.5, None), (True, None), ("4x", None), ("²", None)],
)
def test_a_count_is_a_whole_number_however_it_is_typed(value, found):
    assert attrs.count({"a": value}, "a") == found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "9" * 5000, 10**18])
def test_an_absurd_count_is_none(value):
    assert attrs.count({"a": value}, "a") is None


@pytest.mark.parametrize(("value", "found"), [(True, True), ("False", False), ("yes", None), (1, None)])
def test_a_flag_is_a_boolean_or_the_word_for_one(value, found):
    assert attrs.flag({"a": value}, "a") is found


@pytest.mark.parametrize("value", ["[" * 100_000, '{"a": ', "plain", "{'a': 1}", '{"a": NaN}', b"[\xff"])
def test_what_does_not_parse_stays_as_it_is(value):
    assert attrs.parsed(value) == value


def test_a_number_in_quotes_is_no_structure():
    assert attrs.parsed("5") == "5"
    assert attrs.json_text('"text"') == "text"


def test_strings_come_as_a_list_as_json_or_bare():
    assert attrs.strings(["stop", 5]) == attrs.strings('["stop"]') == attrs.strings("stop") == ("stop",)


def test_leaves_of_deep_nesting_end_somewhere():
    deep = "x"
    for _ in range(5000):
        deep = [deep]
    assert list(attrs.leaves(deep)) == []


def test_indexed_keys_become_lists_of_nested_parts():
    found = attrs.indexed(
        {
            "m.10.role": "b",
            "m.2.role": "a",
            "m.2.calls.0.name": "f",
            "other": 1,
            "m": 2,
            "m.x.role": 3,
            "docs.0": "d",
            "mm.0.role": 4,
        },
        "m",
        "docs",
    )
    assert found == {"m": [{"role": "a", "calls": [{"name": "f"}]}, {"role": "b"}], "docs": ["d"]}


def test_indexed_keys_that_contradict_each_other_do_no_harm():
    captured = {"a": 1}
    found = attrs.indexed({"m.0": captured, "m.0.b": 2, "m.1.c.d": 3, "m.1.c": 4}, "m")
    assert found == {"m": [{"a": 1}, {"c": {"d": 3}}]}
    assert captured == {"a": 1}


@pytest.mark.parametrize("key", ["m.0" + ".x" * 10_000, "m." + "9" * 10_000, "m.", "m..", "m.0."])
def test_absurd_indexed_keys_do_no_harm(key):
    attrs.indexed({key: 1}, "m")
