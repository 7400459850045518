"""The benchmark tells a leak from what two blocks differ by anyway."""

from random import Random

import pytest
from bench.growth import growth_line

FIRST, LAST = 100_000, 1_000_000
MIB_AT_REST, OFF_MIB = 350.0, 1.4


def seen(seed: int, leak: float, *, late: float = 0.0):
    """A block of 50,000 after the other: some MiB off each, and so much more from the first mark to the last."""
    random = Random(seed)
    for traces in range(50_000, LAST + 1, 50_000):
        grown = leak * (traces - FIRST) / (LAST - FIRST) + (late if traces > LAST / 2 else 0.0)
        yield traces, MIB_AT_REST * (1 + grown) + random.gauss(0, OFF_MIB)


def told(leak: float, **how: float):
    """The lines of fifty runs."""
    return [growth_line(list(seen(seed, leak, **how)), FIRST, LAST) for seed in range(50)]


def test_a_leak_of_two_percent_is_told():
    assert not any(line.reached for line in told(0.02))


def test_what_came_at_once_in_the_middle_is_told_as_well():
    assert not any(line.reached for line in told(0, late=0.02))


def test_memory_that_does_not_grow_is_not_called_a_leak():
    assert all(line.reached for line in told(0))


def test_the_line_says_what_it_goes_by():
    (line, *_) = told(0.02)
    assert line.name == "memory at rest at 1,000,000 by 100,000"
    assert line.beside["MiB from"] == pytest.approx(350, rel=0.01)
    assert line.beside["to"] == pytest.approx(357, rel=0.01)
    assert line.beside["blocks"] == 19
    assert line.beside["a block off the line by MiB"] == pytest.approx(OFF_MIB, rel=0.5)


def test_what_was_seen_before_the_first_mark_does_not_count():
    flat = [(traces, MIB_AT_REST) for traces in range(FIRST, LAST + 1, FIRST)]
    assert growth_line([(1_000, 1.0), *flat], FIRST, LAST).value == pytest.approx(1)
