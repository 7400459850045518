"""The forms in which an answer cites, and where they stand. Linear in the text: every search is anchored and bounded.

A mark says what is cited, as numbers and names; whether that was retrieved is not decided here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from checks.builtin.citations.arrays import is_array
from checks.builtin.citations.sources import Sources, addresses
from checks.builtin.citations.text import Prose, holds

_SOURCE_WORD = (
    r"(?:sources?|references?|refs?|citations?|quellen?|fuentes?|fontes?|fonti|bronnen|bron|źródło"
    r"|источники?|来源|來源|出典|출처|المصدر|स्रोत)"
)
_NOTE = re.compile(rf"[(\[]\s{{0,2}}{_SOURCE_WORD}\s{{0,2}}:", re.IGNORECASE)
_NOTE_LINE = re.compile(
    rf"^[ \t]{{0,8}}[-*_>]{{0,4}}[ \t]?{_SOURCE_WORD}[*_]{{0,2}}[ \t]?:(?=[^\n]*\w)", re.IGNORECASE | re.MULTILINE
)
_BEFORE_COLON = re.compile(rf"{_SOURCE_WORD}[*_]{{0,2}}\s{{0,2}}\Z", re.IGNORECASE)
_NO_WORD = frozenset(["", *"\"'0123456789)]}:/`"])
"""Before most colons stands one of these: in JSON, in times, in links."""
_LONGEST_SOURCE_WORD = 16
"""Characters, with what may stand between the word and its colon."""
_CLOSING = {"(": ")", "[": "]"}
_LONGEST_NOTE = 300

_BRACKET = re.compile(r"\[([^\[\]\n]{1,200})\]")
_LENTICULAR = re.compile(r"【([^【】\n]{1,200})】")
_OPENAI = re.compile(r"(\d{1,3}):(\d{1,3})(?:†[^\n]*)?")
_LIST = r"(\d{1,3}(?:\s?(?:[,;&~-]|and|und|et|y)\s?\d{1,3}){0,50})"
_PAGE = r"(?:\s?[,:]\s?(?:pp?\.?|pages?|S\.|§|sec(?:tion)?\.?)\s?[\d-]{1,9})?"
_NUMBERS = re.compile(
    rf"\s?(?:(?:doc(?:ument)?s?|{_SOURCE_WORD})[\s.:#]{{0,2}}|#)?{_LIST}{_PAGE}\s?(?:†[^\n]*)?", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+")
_CITE = re.compile(r"<(cite|citation)((?:\s[^<>]{0,300})?)/?>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[\w-]{1,30}\s?=\s?(?:\"([^\"]{0,200})\"|'([^']{0,200})'|([^\s\"'>]{1,200}))")
_LINK_TARGET = re.compile(r"\]\(\s{0,2}+<?+([^()\s<>]{1,1000}+)>?+[^()\n]{0,100}+\)")


@dataclass(frozen=True, slots=True)
class Mark:
    """One citation at the code points ``start`` to ``end`` of the answer.

    ``numbers`` are positions in the list of retrieved documents, ``names`` ids, sources, titles or addresses.
    ``footnote`` is the label of a footnote or link definition that may say more.
    """

    form: str
    start: int
    end: int
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    footnote: str | None = None


def find_marks(prose: Prose, sources: Sources, forms: frozenset[str]) -> list[Mark]:
    """Find the citations of the given forms, in the order of the text; of two at one place, the more telling one."""
    taken = bytearray(len(prose.text))
    found: list[Mark] = []
    for form, search in FORMS.items():
        if form in forms:
            for mark in search(prose, sources):
                if taken.find(1, mark.start, mark.end) < 0:
                    taken[mark.start : mark.end] = b"\x01" * (mark.end - mark.start)
                    found.append(mark)
    return sorted(found, key=lambda mark: mark.start)


def _found(pattern: re.Pattern[str], opening: str, text: str) -> Iterator[re.Match[str]]:
    """Where the pattern matches. To the first sign that it can begin with, a search for that alone is much faster."""
    start = text.find(opening)
    return pattern.finditer(text, start) if start >= 0 else iter(())


def numbers_of(text: str) -> tuple[int, ...]:
    """Return the numbers of ``1``, ``1, 2``, ``1-3`` (both ends), ``Source 2`` and the like; none of other texts."""
    found = _NUMBERS.fullmatch(text)
    return tuple(map(int, _NUMBER.findall(found.group(1)))) if found else ()


def _cite_tags(prose: Prose, _sources: Sources) -> Iterator[Mark]:
    if not holds(prose.text, "<c") and not holds(prose.text, "<C"):
        return
    for tag in _CITE.finditer(prose.text):
        close = prose.text.find("</", tag.end(), tag.end() + 2 * _LONGEST_NOTE)
        end = prose.text.find(">", close, close + 20) + 1 if close >= 0 else 0
        given = ["".join(groups) for groups in _ATTRIBUTE.findall(tag.group(2))]
        cited = given or [prose.text[tag.end() : close if close >= 0 else tag.end()]]
        yield _mark("cite_tag", tag.start(), end or tag.end(), cited)


def _mark(form: str, start: int, end: int, cited: list[str]) -> Mark:
    parts = [part.strip(" \t[]【】*_/") for part in cited]
    numbers = [numbers_of(part) for part in parts]
    names = [part for part, found in zip(parts, numbers, strict=True) if part and not found]
    return Mark(form, start, end, tuple(n for found in numbers for n in found), tuple(names))


def _lenticular(prose: Prose, sources: Sources) -> Iterator[Mark]:
    for found in _found(_LENTICULAR, "【", prose.text):
        content = found.group(1)
        pair = _OPENAI.fullmatch(content)
        if pair:
            # OpenAI's file search: message, then result counted from 0; the number of the result is what can be judged.
            yield Mark("lenticular", *found.span(), (max(1, int(pair.group(2))),))
        elif numbers := numbers_of(content):
            yield Mark("lenticular", *found.span(), numbers)
        elif sources.knows(content) or sources.looks_like_name(content):
            yield Mark("lenticular", *found.span(), names=(content,))


def _source_notes(prose: Prose, _sources: Sources) -> Iterator[Mark]:
    text = prose.text
    if not _names_source(text):
        return
    for found in _NOTE.finditer(text):
        end = _closing(text, found.start(), found.end())
        if end:
            yield _note(text, found.start(), found.end(), end)
    for found in _NOTE_LINE.finditer(text):
        end = text.find("\n", found.end())
        yield _note(text, found.start(), found.end(), end if end >= 0 else len(text), closed=0)


def _names_source(text: str) -> bool:
    """Whether a word for a source stands before any colon: without one no source is noted."""
    colon = text.find(":")
    while colon >= 0:
        if text[colon - 1 : colon] not in _NO_WORD and _BEFORE_COLON.search(
            text, max(0, colon - _LONGEST_SOURCE_WORD), colon
        ):
            return True
        colon = text.find(":", colon + 1)
    return False


def _note(text: str, start: int, inside: int, end: int, *, closed: int = 1) -> Mark:
    content = text[inside : end - closed].strip()
    pieces = [content] if numbers_of(content) else re.split("[,;]", content)
    return _mark("source_note", start, end, pieces if len(pieces) <= 50 else [content])


def _closing(text: str, start: int, inside: int) -> int:
    """Return the end of the bracket that opens at ``start``, 0 where it does not close soon on its line."""
    opening, closing, depth = text[start], _CLOSING[text[start]], 1
    if text.find(closing, inside, inside + _LONGEST_NOTE) < 0:
        return 0
    for pos in range(inside, min(len(text), inside + _LONGEST_NOTE)):
        char = text[pos]
        if char == "\n":
            return 0
        depth += (char == opening) - (char == closing)
        if not depth:
            return pos + 1
    return 0


def _links(prose: Prose, sources: Sources) -> Iterator[Mark]:
    if holds(prose.text, "]("):
        for found in _LINK_TARGET.finditer(prose.text):
            if sources.knows(found.group(1)):
                yield Mark("link", *found.span(1), names=(found.group(1),))
    if holds(prose.text, "//") or "www." in prose.text:
        for start, end in addresses(prose.text):
            if sources.knows(prose.text[start:end]):
                yield Mark("link", start, end, names=(prose.text[start:end],))


def _footnotes(prose: Prose, sources: Sources) -> Iterator[Mark]:
    for found in _BRACKET.finditer(prose.text) if holds(prose.text, "[^") else ():
        label = found.group(1)
        if not label.startswith("^"):
            continue
        numbers = numbers_of(label[1:])
        said = prose.definitions.get(label.strip().casefold(), "")
        if numbers or sources.knows(label[1:]) or (said and sources.mentions(said)):
            yield Mark("footnote", *found.span(), numbers, () if numbers else (said or label[1:],), label)


def _brackets(prose: Prose, sources: Sources) -> Iterator[Mark]:
    for found in _found(_BRACKET, "[", prose.text):
        numbers = numbers_of(found.group(1))
        # [404] among a handful of documents is an error code.
        is_far_off = any(n >= 100 > sources.count and not sources.knows(str(n)) for n in numbers)
        if numbers and not is_far_off and not is_array(prose.text, found.start(), found.end(), len(numbers)):
            yield Mark("bracket", *found.span(), numbers, footnote=found.group(1).strip())


def _names(prose: Prose, sources: Sources) -> Iterator[Mark]:
    for found in _found(_BRACKET, "[", prose.names):
        content = found.group(1).strip(" `*\"'")
        is_known = not numbers_of(content) and sources.knows(content)
        if is_known or (sources.looks_like_name(content) and prose.names[found.end() : found.end() + 1] != "("):
            yield Mark("name", *found.span(), names=(content,))
    for name in sources.plain_in(prose.names):
        yield from (Mark("name", start, start + len(name), names=(name,)) for start in _places(prose.names, name))


def _places(text: str, name: str) -> Iterator[int]:
    """Yield where ``name`` stands for itself: ``doc-1`` in ``(doc-1).``, not in ``doc-10`` or ``my-doc-1``."""
    start = text.find(name)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(name) : start + len(name) + 1]
        if not (_continues(before, name[0]) or _continues(after, name[-1])):
            yield start
        start = text.find(name, start + len(name))


def _continues(beside: str, edge: str) -> bool:
    """Whether a character beside a name makes it a part of a longer one (scripts without spaces do not)."""
    return beside.isascii() and (beside.isalnum() or beside in ("_", "-")) and (edge.isalnum() or edge in "_-")


FORMS: Mapping[str, Callable[[Prose, Sources], Iterator[Mark]]] = {
    "cite_tag": _cite_tags,
    "source_note": _source_notes,
    "lenticular": _lenticular,
    "link": _links,
    "footnote": _footnotes,
    "bracket": _brackets,
    "name": _names,
}
"""Every form and its search, the more telling before the less."""
