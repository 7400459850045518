"""Checksums as fast as Python can tell them: a value that fails here is not given to Presidio's own check.

Presidio's takes ten times as long, and nine in ten numbers that look like a card's are none.
"""

_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_SINGLE = bytes.maketrans(b"0123456789", bytes(range(10)))


def may_be_card(value: str) -> bool:
    """Whether Luhn's check holds for the digits of a value, or there is more in it than digits, blanks and dashes."""
    digits = value.replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit()):
        return True
    last_first = digits.encode()[::-1]
    return (sum(last_first[::2].translate(_SINGLE)) + sum(last_first[1::2].translate(_DOUBLED))) % 10 == 0
