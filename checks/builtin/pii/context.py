"""What stands before a number: the words that name it. A pattern alone cannot tell one kind of number from another."""

import re

CONTEXT_CHARS = 48
"""How far before a finding a context word may stand."""


def words(*alternatives: str) -> re.Pattern[str]:
    """A pattern of whole words, in any case."""
    return re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(alternatives)})(?![a-z])")


def follows(pattern: re.Pattern[str], text: str, at: int, within: int = CONTEXT_CHARS) -> bool:
    """Whether the pattern matches in so many characters before ``at``. Searched in place: a word is not cut."""
    return pattern.search(text, max(0, at - within), at) is not None
