"""When two spellings are one and the same value, and what other spellings of a number look like in a text."""

import ipaddress
import re
from collections.abc import Iterable, Iterator

from checks.digits import digits_of, places, runs

PHONE = "PHONE_NUMBER"
SHORTEST = 8
"""Numbers of fewer digits are looked for only as they were found: they could be part of anything."""

_NO_DIGIT = re.compile("[^0-9]")
BETWEEN = r"[ ./()\u00a0\u2010-\u2015-]{0,3}"
"""What may stand between the digits of a number."""
_RUNS = runs(BETWEEN)
_PREFIX = re.compile(rf"(?:(?:(?:\+|00)[0-9]{{1,3}}{BETWEEN}|1[ .-]?)?(?:\(0\)|0)?{BETWEEN})?$")
"""What may stand before a phone number as `key` gives it: the calling code and the trunk prefix."""
_PREFIX_CHARS = 14
_INTERNATIONAL = re.compile(r"\s*(?:\+|00(?=[1-9]))")
_CALLING_CODE = re.compile("1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}")
"""ITU-T E.164, list of assigned country codes: of one, two or three digits."""
_NORTH_AMERICAN = re.compile("1[2-9][0-9]{9}")


def key(entity: str, value: str) -> str:
    """The same for all spellings of a value: letter case, spaces, a number's punctuation, a phone's calling code."""
    if entity == "IP_ADDRESS":
        return _address(value)
    if any(char.isalpha() for char in value):
        bare = "".join(value.casefold().split())
        return bare.replace("-", "") if entity == "IBAN_CODE" else bare
    return _national(value) if entity == PHONE else (digits_of(value) or value)


def spellings_in(text: str, entity: str, number: str) -> Iterator[str]:
    """How ``number``, the ``key`` of a value that is digits only, is spelled in ``text``."""
    done = 0
    for first, end in places(text, _RUNS, number):
        if first < done:
            continue
        done = end
        start = first - (_prefix_chars(text, first) if entity == PHONE else 0)
        value = text[start:end].strip()
        start = end - len(value)
        if not (text[start - 1 : start].isdigit() or text[end : end + 1].isdigit()):
            yield value


def _prefix_chars(text: str, at: int) -> int:
    before = text[max(0, at - _PREFIX_CHARS) : at]
    return len(before) - _PREFIX.search(before).start()  # type: ignore[union-attr] # it matches nothing, too


def before_it_was_readable(texts: Iterable[str], value: str) -> Iterator[str]:
    """How ``value``, found in a line in which what JSON escapes is a space, stands in the texts."""
    written = re.compile(re.escape(value).replace(r"\ ", r"[\x00- \"\\]"))
    return (found[0] for text in texts for found in written.finditer(text))


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return value.casefold()


def _national(phone: str) -> str:
    """The digits of a phone number without its calling code and trunk prefix, which one writes and another does not."""
    digits = _NO_DIGIT.sub("", phone)
    international = _INTERNATIONAL.match(phone)
    if international:
        digits = _CALLING_CODE.sub("", digits.removeprefix("00") if "+" not in phone else digits, count=1)
    elif _NORTH_AMERICAN.fullmatch(digits):
        digits = digits[1:]
    return digits.lstrip("0") or digits or phone
