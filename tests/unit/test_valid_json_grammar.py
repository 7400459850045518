import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.builtin.valid_json.grammar import GrammarError, diagnose, events
from checks.builtin.valid_json.schema import pointer
from checks.builtin.valid_json.text import _parse_plain, _parse_strictly, locate, parse, repeated_keys

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)
texts = st.builds(
    json.dumps, values, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 0, 2]), allow_nan=st.just(False)
)


@st.composite
def mutated(draw):
    """A JSON text with one piece cut out and another put in."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    piece = draw(
        st.sampled_from(
            ["", *"{}[],:\"\\\n\t 0-.eE+tn'", "NaN", "-Infinity", "\ufeff", "//", "\\u12", "\x00", "\u0661"]
        )
    )
    return text[:start] + piece + text[end:]


def accepted_by_the_standard_library(text):
    def refuse(_name):
        raise ValueError

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(texts)
def test_json_of_the_standard_library_is_accepted_with_its_value(text):
    assert parse(text).value == json.loads(text)
    assert diagnose(text) is None


@given(mutated() | st.text(alphabet='{}[]:,"\\u0123eE.-+ntrfals \n', max_size=12))
def test_both_readers_agree_on_what_is_json(text):
    accepted = accepted_by_the_standard_library(text)
    assert (diagnose(text) is None) == accepted
    assert (parse(text).problem is None) == accepted


SIMILAR = st.text(alphabet='{}[]:,"\\u0123eE.-+ntrfals \n', max_size=12)


def problem_of_reading_every_token(text):
    try:
        list(events(text))
    except GrammarError as problem:
        return problem
    return None


@given(mutated() | SIMILAR)
def test_passing_over_what_is_plainly_right_leads_to_the_same_problem(text):
    quick, slow = diagnose(text), problem_of_reading_every_token(text)
    assert (str(quick), vars(quick) if quick else None) == (str(slow), vars(slow) if slow else None)


doubled = st.builds(lambda key, a, b: f'[{{"{key}": {a}, "b": 1, "{key}": {b}}}]', SIMILAR, texts, texts)
numbers = st.builds("[{}{}]".format, st.integers(10**15, 10**25), st.sampled_from(["", ".0", "e5", "e999"]))


@given(texts | mutated() | SIMILAR | doubled | numbers)
def test_the_quick_reader_reads_only_what_the_strict_one_reads_in_the_same_way(text):
    quick = _parse_plain(text)
    if quick is not None:
        assert repr(quick) == repr(_parse_strictly(text))


@pytest.mark.parametrize("depth", [200, 201])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_the_limit_of_depth_is_the_same_for_both_readers(depth, opening, closing):
    levels = depth // len(closing)
    text = opening * levels + "[" * (depth % len(closing)) + "1" + "]" * (depth % len(closing)) + closing * levels
    assert (parse(text).problem is None) == (depth <= 200) == (_parse_strictly(text).problem is None)


@given(texts, st.data())
def test_every_beginning_of_json_is_json_or_ends_early(text, data):
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    problem = diagnose(cut)
    assert problem is None or problem.ends_early


@given(mutated())
def test_a_text_is_json_up_to_the_place_of_the_problem(text):
    problem = diagnose(text)
    if problem is not None:
        assert 0 <= problem.start <= len(text)
        before = diagnose(text[: problem.start])
        assert before is None or before.ends_early


@given(texts)
def test_tokens_stand_in_order_and_lose_nothing_but_punctuation(text):
    found = list(events(text))
    assert all(a.end <= b.start for a, b in pairwise(found))
    gaps = "".join(text[a.end : b.start] for a, b in pairwise(found))
    assert not gaps.strip(" \n,:")


def paths(value, path=()):
    yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        yield from paths(child, (*path, key))


@given(texts)
def test_every_value_is_found_at_its_place(text):
    expected = dict(paths(json.loads(text)))
    found = locate(text, list(expected))
    assert {path: json.loads(text[start:end]) for path, (start, end) in found.items()} == expected


def test_of_a_repeated_key_the_last_value_is_found():
    text = '{"a": 1, "a": 2}'
    assert locate(text, [("a",)]) == {("a",): (14, 15)}


def test_keys_of_different_objects_are_not_repeated():
    assert repeated_keys('[{"a": 1}, {"a": {"a": 2}}]') == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1,]", "comma stands before"),
        ('{"a":1,}', "comma stands before"),
        ("{'a':1}", "double quotes"),
        ("[NaN]", "NaN and Infinity"),
        ("[True]", "true, false and null"),
        ("// x", "no comments"),
        ("[1] # x", "no comments"),
        ("[012]", "begins with a zero"),
        ("\ufeff1", "byte order mark"),
        ('["\n"]', "control character"),
        ('["\\q"]', "escape"),
        ("[[", "ends where"),
    ],
)
def test_a_well_known_mistake_is_named(text, said):
    assert said in str(diagnose(text))


def test_tokens_before_the_problem_are_given():
    found = events("[1, x")
    assert [next(found).start for _ in range(2)] == [0, 1]
    with pytest.raises(GrammarError):
        next(found)


def test_a_pointer_escapes_and_is_cut():
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
    assert len(pointer(["x" * 1000])) == 200
