"""By which signs digits are taken for a phone number. libphonenumber alone takes years and book numbers for some."""

import re

from checks.builtin.pii.context import CONTEXT_CHARS, follows, words

# What libphonenumber allows between the digits of one number, less what `normalise` has folded: the inside of a class.
PHONE_PUNCTUATION = "\\-xX\u2014\u2015\uff0f \u00ad\u200b\u2060()\uff08\uff09\uff3b\uff3d.\\[\\]/~\u2053\u223c\uff5e"
SHORTEST_PHONE = 7
PHONE_DIGITS = re.compile(
    rf"[0-9](?:[{PHONE_PUNCTUATION}]{{0,4}}+[0-9]){{{SHORTEST_PHONE - 1}}}(?:[{PHONE_PUNCTUATION}]{{0,4}}+[0-9]++)*+"
)
"""As many digits as a phone number has, or more, that could be one number."""
_DIGITS = re.compile("[0-9]+")
PHONE_BRACKET = re.compile(r"\([0-9+]")
PHONE_WORD = words(
    r"t[eé]l[eé]?(?:ph?one?|f[oó]no?)?",
    "(?:cell)?phone",
    *("mobile", "mob", "cellular", "fax", "whatsapp", "handy", "celular", "m[oó]vil", "portable", "hotline", "call"),
)
_PHONE_STEM = re.compile("t[eé]l|phone|mob|cell|celul|fax|whats|handy|m[oó]v|portab|hotl|call")
"""Matches in whatever ``PHONE_WORD`` does once it is folded, and is ten times as fast: it minds no case and no ends."""
_DATE = re.compile(
    r"(?<![0-9])(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2(?:[0-9]{4}|[0-9]{2}))(?![0-9])"
)

_HOUR = re.compile(r"(?:[ T]{0,2}[0-9]{1,2})?")
DOTTED_QUAD = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?")  # an IP address, a network or a version
BOOK_WORD = words("isbn(?:-?1[03])?", "issn")


def is_date(text: str) -> bool:
    """Whether the whole text is one date, perhaps with an hour behind it."""
    date = _DATE.match(text)
    return date is not None and _HOUR.fullmatch(text, date.end()) is not None


def is_named_phone(text: str, at: int) -> bool:
    """Whether a word for a phone stands in the ``CONTEXT_CHARS`` before ``at``. Most texts are ruled out cheaply."""
    before = text[max(0, at - CONTEXT_CHARS) : at].casefold()
    return _PHONE_STEM.search(before) is not None and follows(PHONE_WORD, text, at)


def is_phone(text: str, start: int, end: int) -> bool:
    """Seven digits, and a sign that they are a phone number: a plus, brackets, three groups, or a word before."""
    value = text[start:end]
    number = PHONE_DIGITS.search(value)
    if number is None:
        return False
    if "+" in value or PHONE_BRACKET.search(value) or is_named_phone(text, start):
        return True
    if _DATE.search(value) or DOTTED_QUAD.fullmatch(value):
        return False
    return len(_DIGITS.findall(number.group())) >= 3 and not follows(BOOK_WORD, text, start)
