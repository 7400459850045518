"""A case's part of the dataset follows from the failure that it shows, and from nothing else."""

from collections import Counter

import pytest
from store_builders import a_case

from exporters.dataset.splits import split_of

SHARES = {"train": 80, "validation": 0, "test": 20}


def alone(number):
    return a_case(number, fingerprint="")


def test_the_parts_are_about_as_large_as_was_asked():
    counted = Counter(split_of(alone(number), SHARES) for number in range(5_000))
    assert counted.keys() == {"train", "test"}
    assert 900 < counted["test"] < 1_100


def test_repetitions_of_one_failure_are_never_in_two_parts():
    for cluster in range(50):
        assert len({split_of(a_case(n, fingerprint=f"f{cluster}"), SHARES) for n in range(20)}) == 1


def test_a_part_is_the_same_whatever_else_the_case_holds_and_on_every_machine():
    assert split_of(alone(1), SHARES) == split_of(a_case(1, fingerprint="", input="another"), SHARES)
    assert [split_of(alone(number), SHARES) for number in range(1, 9)] == [*["train"] * 6, "test", "train"]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_part_may_take_everything(name):
    assert {split_of(alone(number), {**dict.fromkeys(SHARES, 0), name: 100}) for number in range(100)} == {name}


@pytest.mark.parametrize("shares", [{"train": 80}, {"train": 60, "test": 60}, {"train": 120, "test": -20}, {}])
def test_shares_that_are_not_100_together_are_refused(shares):
    with pytest.raises(ValueError, match="100 together"):
        split_of(alone(1), shares)
