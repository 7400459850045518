"""Text as the PII rules want to read it. Owns the folding of look-alike characters; knows nothing of entities.

Every replacement is one code point for one code point, so an offset into the result is an offset into the original.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# Not the em dash (U+2014): prose sets it between words without spaces, and "me@host.com-or" is no host name.
_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
_LOOK_ALIKES = {"\uff20": "@", "\ufe6b": "@", "\uff0e": ".", "\uff0b": "+", "\ufe62": "+"}
# Scripts written without spaces between words (Thai and Lao, Myanmar, Khmer, kana, Han, Hangul). To a regular
# expression their letters are word characters, so an address or a number that stands beside one has no word boundary.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
_STOP = "\u3002"  # the ideographic full stop: no word character, and part of no pattern


def normalise(text: str) -> str:
    """Fold digits of any script, spaces, dashes and full-width signs to ASCII; the length stays the same.

    Lone surrogates become U+FFFD, since they cannot be encoded. ASCII text is returned as it is.
    """
    return text if text.isascii() else text.translate(_table())


@cache
def _table() -> dict[int, str]:
    """The translation table. Later entries win: a Thai digit is a digit before it is a Thai character."""
    table = dict.fromkeys((point for low, high in _UNSPACED for point in range(low, high + 1)), _STOP)
    table |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    table |= dict.fromkeys(map(ord, _SPACES), " ")
    table |= dict.fromkeys(map(ord, _DASHES), "-")
    table |= {ord(sign): plain for sign, plain in _LOOK_ALIKES.items()}
    return table | dict(_decimal_digits(range(128, 0x20000)))  # no digits lie beyond the second plane


def _decimal_digits(points: Iterable[int]) -> Iterable[tuple[int, str]]:
    for point in points:
        value = unicodedata.decimal(chr(point), None)
        if value is not None:
            yield point, str(value)
