"""Which part of the dataset a case belongs to. Pure: the same cases get the same parts, whatever else is there.

All cases of one fingerprint go to one part, so that near-duplicates of what a model was tuned on never test it. A
part follows from the hash of the fingerprint alone: cases that are added later move none of those that are there.
"""

import hashlib
from collections.abc import Mapping

from exporters.dataset.case import Case

WHOLE = 100
"""Per cent."""

USUAL_TRAIN = 80
"""The share for training where neither it nor the one for tests is named."""


def shares_of(train: int | None, validation: int, test: int | None) -> dict[str, int]:
    """The shares of the three parts, in per cent; the one of ``test`` and ``train`` that is not named takes the rest.

    Raises:
        ValueError: they are not 100 together, or the others leave no rest.
    """
    if test is None:
        train = USUAL_TRAIN if train is None else train
        test = WHOLE - train - validation
    elif train is None:
        train = WHOLE - test - validation
    shares = {"train": train, "validation": validation, "test": test}
    _check(shares)
    return shares


def split_of(case: Case, shares: Mapping[str, int]) -> str:
    """The part of this case.

    Args:
        case: a case without a fingerprint goes by its own id.
        shares: per cent of each part, by its name; the order counts.

    Raises:
        ValueError: the shares are not 100 together, or one is negative.
    """
    _check(shares)
    place = _place(case.fingerprint or case.id)
    until = 0
    for name, share in shares.items():
        until += share
        if place * WHOLE < until << _BITS:
            return name
    raise AssertionError("unreachable: the last share ends where the places do")


def _check(shares: Mapping[str, int]) -> None:
    if sum(shares.values()) != WHOLE or min(shares.values()) < 0:
        raise ValueError("the shares must be 0 or more, and 100 together")


_BITS = 64


def _place(group: str) -> int:
    """Where on the line from 0 to 2**64 a group is: everywhere alike, by its hash."""
    return int.from_bytes(hashlib.sha256(group.encode("utf-8", "replace")).digest()[: _BITS // 8])
