"""Where a number's digits stand in a text."""

import pytest

from checks.digits import digits_of, places, runs

DASHES = runs("[ -]{0,2}")


@pytest.mark.parametrize(
    ("text", "number", "found"),
    [
        ("call 555-12 34 now", "5551234", ["555-12 34"]),
        ("1234, 5512 34", "1234", ["1234", "12 34"]),
        ("1 1 1", "11", ["1 1", "1 1"]),
        ("12   34", "1234", []),
        ("1\u06623", "123", []),
        ("none", "1", []),
    ],
)
def test_places_are_found_however_the_digits_are_spaced(text, number, found):
    assert [text[start:end] for start, end in places(text, DASHES, number)] == found


def test_only_ascii_digits_are_digits():
    assert digits_of("a1-\u0662 3\ud800") == "13"
