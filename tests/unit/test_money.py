"""How dollars are written."""

import pytest

from checks.money import dollars


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0.00"), (2.5e-7, "$0.00000025"), (0.0123456, "$0.0123"), (0.05, "$0.05"), (0.5, "$0.50"),
        (0.125, "$0.125"), (0.9999, "$1.00"), (1, "$1.00"), (12.5, "$12.50"), (999.99, "$999.99"), (1204.4, "$1,204"),
        (9e8, "$900,000,000"),
    ],
)  # fmt: skip
def test_dollars_are_written_in_as_many_digits_as_say_something(value, text):
    assert dollars(value) == text
