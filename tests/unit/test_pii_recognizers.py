"""Patterns that stand in for Presidio's own: they match the same."""

import re
import sys

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from presidio_analyzer import Pattern

from checks.builtin.pii import recognizers
from checks.builtin.pii.recognizers import finder, recogniser

((SOURCE, FLAGS), SAME), *OTHERS = recognizers._SAME.items()
STOCK = regex.compile(SOURCE, FLAGS)
FOLDED = "\u0130\u0131\u017f\u212a"
"""What is a letter of ASCII in another case, or was: I with a dot, i without one, a long s, Kelvin."""


def spans(pattern, text):
    return [match.span() for match in pattern.finditer(text)]


def test_presidio_looks_for_bitcoin_by_the_pattern_that_another_stands_in_for():
    made = recogniser("CRYPTO")
    assert [(pattern.regex, made.global_regex_flags) for pattern in made.patterns] == [(SOURCE, FLAGS)]
    assert not OTHERS


def test_it_takes_the_same_characters():
    every = " ".join(f"1{chr(code)}" for code in range(sys.maxunicode + 1))
    stock, same = (pattern.pattern.replace("{25,59}", "") for pattern in (STOCK, SAME))
    assert spans(re.compile(same, SAME.flags), every) == spans(regex.compile(stock, FLAGS), every)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["bc1", "BC1", "Bc1", "b", "c", "1", "3", "IO", "\n", " ", *FOLDED]),
            st.text("0123456789abcABCxyzXYZIOlo", min_size=20, max_size=70),
        ),
        max_size=12,
    ).map("".join)
)
def test_it_finds_the_same(text):
    assert spans(SAME, text) == spans(STOCK, text)


@pytest.mark.parametrize(
    ("pattern", "flags"), [(SOURCE.replace("25", "26"), None), (SOURCE, int(regex.DOTALL | regex.MULTILINE))]
)
def test_another_pattern_and_other_flags_are_presidios_own(pattern, flags):
    made = recogniser("CRYPTO", patterns=[Pattern("another", pattern, 0.5)])
    if flags is not None:
        made.global_regex_flags = flags
    assert not isinstance(recognizers._compiled(made)[0][0], re.Pattern)
    address = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
    assert [match[:2] for match in finder(made)(address, 0, len(address))] == [(0, len(address))]
