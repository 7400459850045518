"""Text as the PII rules want to read it. Owns the folding of look-alike characters; knows nothing of entities.

Every replacement is one code point for one code point, so an offset into the result is an offset into the original.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# Not the em dash (U+2014): prose sets it between words without spaces, and "me@host.com-or" is no host name.
_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
_LOOK_ALIKES = {"\uff20": "@", "\ufe6b": "@", "\uff0e": ".", "\uff0b": "+", "\ufe62": "+"}
# Letters that a pattern without regard to case takes for ASCII ones: long s, the Kelvin sign, dotless i, dotted I.
_LOOK_ALIKES |= {"\u017f": "s", "\u212a": "K", "\u0131": "i", "\u0130": "I"}
# Scripts written without spaces between words (Thai and Lao, Myanmar, Khmer, kana, Han, Hangul). To a regular
# expression their letters are word characters, so an address or a number that stands beside one has no word boundary.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
_STOP = "\u3002"  # the ideographic full stop: no word character, and part of no pattern

_ASCII = bytes(range(128))
_FEW = 512
"""Bytes of characters beyond ASCII up to which it is fastest to replace them one by one: in most texts of the West."""
_PLANE = 0xFFFF
_NEAR = bytes(range(0xF0))
"""The bytes in UTF-8 of characters of the first plane; others begin with another one."""


def normalise(text: str) -> str:
    """Fold digits of any script, spaces, dashes and full-width signs to ASCII; the length stays the same.

    Lone surrogates become U+FFFD, since they cannot be encoded. ASCII text is returned as it is.
    """
    if text.isascii():
        return text
    others = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    if len(others) <= _FEW:
        for char in set(others.decode("utf-8", "surrogatepass")):
            text = text.replace(char, _table().get(ord(char), char))
        return text
    stops, near, far = _patterns()
    text = stops.sub(lambda found: _STOP * len(found[0]), text)
    text = near.sub(lambda found: found[0].translate(_table()), text)
    return far.sub(lambda found: found[0].translate(_table()), text) if others.translate(None, _NEAR) else text


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """What becomes stops, what else is replaced in the first plane, and beyond it.

    Each is one class of characters. Those of the first plane alone are searched for fast.
    """
    table = _table()
    stops = [point for point, folded in table.items() if folded == _STOP]
    near = [point for point in table.keys() - set(stops) if point <= _PLANE]
    far = [point for point in table if point > _PLANE]
    return tuple(re.compile(f"[{_class(points)}]+") for points in (stops, near, far))


def _class(points: Iterable[int]) -> str:
    """The inside of a character class that matches these code points."""
    ranges: list[list[int]] = []
    for point in sorted(points):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


@cache
def _table() -> dict[int, str]:
    """The translation table. Later entries win: a Thai digit is a digit before it is a Thai character."""
    table = dict.fromkeys((point for low, high in _UNSPACED for point in range(low, high + 1)), _STOP)
    table |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    table |= dict.fromkeys(map(ord, _SPACES), " ")
    table |= dict.fromkeys(map(ord, _DASHES), "-")
    table |= {ord(sign): plain for sign, plain in _LOOK_ALIKES.items()}
    return table | dict(_decimal_digits(range(128, 0x20000)))  # no digits lie beyond the second plane


def _decimal_digits(points: Iterable[int]) -> Iterator[tuple[int, str]]:
    for point in points:
        value = unicodedata.decimal(chr(point), None)
        if value is not None:
            yield point, str(value)
