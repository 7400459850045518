"""Durations in a configuration."""

import pytest

from checks.duration import SECOND, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("500ms", SECOND // 2),
        ("2s", 2 * SECOND),
        ("24h", 86400 * SECOND),
        ("1.5m", 90 * SECOND),
        ("30d", 30 * 86400 * SECOND),
        ("10us", 10_000),
        (" 7 ns ", 7),
        ("0.1s", SECOND // 10),
        ("3", 3 * SECOND),
        (3, 3 * SECOND),
        (0.25, SECOND // 4),
        (0, 0),
    ],
)
def test_a_duration_is_a_number_with_a_unit_or_seconds(written, nanoseconds):
    assert parse_duration(written) == nanoseconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "-1s",
        "1 fortnight",
        "1e3s",
        "٣s",
        "5S",
        -1,
        True,
        None,
        float("nan"),
        float("inf"),
        pytest.param(10**5000, id="a huge integer"),
        [1],
        "9" * 5000,
    ],
)
def test_what_is_no_duration_is_refused_with_the_rule(written):
    with pytest.raises(ValueError, match="a duration is a number with a unit"):
        parse_duration(written)


def test_a_duration_over_a_hundred_years_is_refused():
    with pytest.raises(ValueError, match="a hundred years"):
        parse_duration("99999999d")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ms"), (1, "1 ms"), (850_000_000, "850 ms"), (2 * SECOND, "2 s"), (31_200_000_000, "31.2 s")],
)
def test_a_duration_is_shown_in_milliseconds_or_seconds(nanoseconds, text):
    assert format_duration(nanoseconds) == text


def test_what_is_just_over_a_limit_is_not_shown_as_equal_to_it():
    assert format_duration(30 * SECOND + 1) != format_duration(30 * SECOND)
