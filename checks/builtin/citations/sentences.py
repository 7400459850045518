"""The sentences of an answer that state something, for telling how many of them cite nothing.

Headings, tables, code, questions, introductions that end in a colon and bits shorter than three words state nothing;
what follows a heading such as "Sources" is a list of references. No language model: punctuation of most scripts, and
the common abbreviations of a few languages.
"""

import re
from collections.abc import Iterator

from checks.builtin.citations.text import BLANK

_BLOCK_START = re.compile(r"\n[ \t]*(?=\n|[-*+•][ \t]|\d{1,3}[.)][ \t]|#{1,6}[ \t]|>|\||" + BLANK + ")")
_MARKER = re.compile(r"[ \t\n>]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+)?")
_NO_STATEMENT = re.compile(r"[ \t\n]*(?:#{1,6}[ \t]|\|)")
_REFERENCES = re.compile(
    r"^[#*_ \t]{0,10}(?:sources?|references?|citations?|bibliography|quellen|literatur|fuentes|fonti|fontes|références"
    r"|источники|来源|參考資料|参考文献|参考资料|出典|출처|المصادر)[*_ \t]{0,5}:?[*_ \t]{0,5}$",
    re.IGNORECASE | re.MULTILINE,
)
_STOP = re.compile(
    # Only from the first of several stops, so that a run of thousands is read once.
    r"(?<![.!?…])(?:[.!?…]++[\"')*_]{0,5}+(?=\s|\Z|[\[【(<" + BLANK + r"])|[!?]++[\"')]{0,5}+(?=[\u0590-\uffef]))"
    r"|[。｡।\u06d4]++[\"')」』]{0,5}+"
)
_LAST_WORD = re.compile(r"(?:^|[\s(\[])([^\s()\[\]]{1,12})\.\Z")
_ABBREVIATIONS = frozenset(
    [
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "no",
        "nr",
        "vs",
        "etc",
        "approx",
        "inc",
        "ltd",
        "co",
        "corp",
        "jr",
        "sr",
        "fig",
        "eq",
        "vol",
        "art",
        "sec",
        "ca",
        "cf",
        "al",
        "e.g",
        "i.e",
        "u.s",
        "u.k",
        "a.m",
        "p.m",
        "z.b",
        "d.h",
        "u.a",
        "bzw",
        "usw",
        "ggf",
        "inkl",
        "evtl",
        "abs",
        "s.o",
        "sog",
        "sra",
        "dña",
        "ej",
        "p.ej",
        "av",
        "mme",
        "mlle",
        "ex",
        "sig",
        "dott",
        "ing",
    ]
)
_MIN_WORDS = 3
_MIN_LETTERS = 6
"""The least that states something where words are not spaced (Chinese, Japanese, Thai)."""


def statements(text: str, marked: bytearray) -> list[tuple[int, int]]:
    """Return the places of the sentences that state something.

    Args:
        text: The answer, its code blanked.
        marked: One byte for each code point, not zero where a citation stands: one right behind a full stop belongs
            to the sentence before it.
    """
    references = _REFERENCES.search(text)
    end = references.start() if references else len(text)
    return [
        place for block in _blocks(text, end) for place in _sentences(text, *block, marked) if _states(text, *place)
    ]


def _blocks(text: str, end: int) -> Iterator[tuple[int, int]]:
    """Yield paragraphs and list items, without their list markers."""
    start = 0
    for stop in [*(m.start() for m in _BLOCK_START.finditer(text, 0, end)), end]:
        marker = _MARKER.match(text, start, stop)
        if marker and not _NO_STATEMENT.match(text, start, stop):
            yield marker.end(), stop
        start = stop


def _sentences(text: str, start: int, end: int, marked: bytearray) -> Iterator[tuple[int, int]]:
    for stop in _STOP.finditer(text, start, end):
        if stop.end() > start and _is_end(text, stop.start(), stop.end(), start, end):
            after = _past_marks(text, stop.end(), end, marked)
            yield start, after
            start = after
    if start < end:
        yield start, end


def _is_end(text: str, stop: int, after: int, start: int, end: int) -> bool:
    """Whether a full stop ends its sentence: not after an abbreviation or an initial, nor before a small letter."""
    if text[stop] != "." or text[stop:after].startswith(".."):
        return True
    following = text[after : min(end, after + 20)].lstrip()[:1]
    if following.islower():
        return False
    word = _LAST_WORD.search(text, max(start, stop - 14), stop + 1)
    if word is None or not following:
        return True
    said = word.group(1)
    return said.casefold() not in _ABBREVIATIONS and not (len(said) == 1 and said.isalpha() and said.isupper())


def _past_marks(text: str, pos: int, end: int, marked: bytearray) -> int:
    while True:
        start = pos
        while start < end and text[start] in " \t.":
            start += 1
        if start >= end or not marked[start]:
            return pos
        stop = marked.find(0, start, end)
        pos = stop if stop >= 0 else end


def _states(text: str, start: int, end: int) -> bool:
    sentence = text[start:end].strip(" \t\n*_\"')」』")
    if sentence.endswith(("?", ":")):
        return False
    words = [word for word in sentence.split() if any(map(str.isalpha, word))]
    return len(words) >= _MIN_WORDS or sum(c.isalpha() and ord(c) >= 0x0E00 for c in sentence) >= _MIN_LETTERS
