"""The parts of an answer (Markdown) in which citations can stand: everything but code, definitions and the like.

What can't hold a citation is blanked, never cut, so that every offset stays true. All of it takes linear time.
"""

import re
from dataclasses import dataclass, field

BLANK = "\ufffc"
"""What takes the place of code: OBJECT REPLACEMENT CHARACTER, which is no letter, digit, bracket or space."""

_NARROW = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},  # the full-width forms of ASCII
    **dict.fromkeys(range(0x2010, 0x2016), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u3001\u060c"), ","),
    0x061B: ";",
    0x061F: "?",
    0x00A0: " ",
    0x3000: " ",
}

_FENCE = re.compile(r"^[ \t]{0,12}(?:>[ \t]?){0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)
_TICKS = re.compile(r"`+")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_DEFINITION = re.compile(r"^[ \t]{0,3}\[(\^?)([^\[\]\n]{1,80})\]:[ \t]*(.*)$", re.MULTILINE)
_CHECK_BOX = re.compile(r"^([ \t]{0,12}(?:[-*+]|\d{1,3}[.)])[ \t]+)(\[[ xX]\])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prose:
    """An answer made ready for the search.

    ``text`` has code blocks, inline code, check boxes and definitions blanked; ``names`` only code blocks and
    definitions, since document names are often set as inline code. ``definitions`` maps the label of a footnote
    (``^1``) or link definition (``1``) to what it says.
    """

    text: str
    names: str
    definitions: dict[str, str] = field(default_factory=dict)


def read_prose(text: str) -> Prose:
    """Blank what holds no citations, and write punctuation one way."""
    text = narrow(text)
    has_fence = holds(text, "```") or holds(text, "~~~")
    without_blocks = _blank(text, _code_blocks(text)) if has_fence else text
    names, definitions = _take_definitions(without_blocks)
    if holds(names, "[ ]") or holds(names, "[x]") or holds(names, "[X]"):
        names = _blank(names, [m.span(2) for m in _CHECK_BOX.finditer(names)])
    prose = _blank(names, _inline_code(names)) if "`" in names else names
    return Prose(prose, names, definitions)


def holds(text: str, sign: str) -> bool:
    """Whether ``sign`` occurs in ``text``. One character is found 100 times as fast as two, so the first one leads."""
    start = text.find(sign[0])
    return start >= 0 and text.find(sign, start) >= 0


def narrow(text: str) -> str:
    """Write full-width and typographic punctuation as ASCII, one character for one: patterns then need one form."""
    return text if text.isascii() else text.translate(_NARROW)


def _take_definitions(text: str) -> tuple[str, dict[str, str]]:
    if not holds(text, "]:"):
        return text, {}
    found = list(_DEFINITION.finditer(text))
    definitions = {(m.group(1) + m.group(2)).strip().casefold(): m.group(3).strip() for m in found}
    return _blank(text, [m.span() for m in found]), definitions


def _code_blocks(text: str) -> list[tuple[int, int]]:
    """Find fenced code blocks (CommonMark section 4.5); one that is never closed runs to the end."""
    found: list[tuple[int, int]] = []
    opened: tuple[int, str] | None = None
    for line in _FENCE.finditer(text):
        marker, rest = line.groups()
        if opened is None:
            # Backticks in the rest of the line make it inline code.
            opened = None if marker[0] == "`" and "`" in rest else (line.start(), marker)
        elif marker.startswith(opened[1]) and not rest.strip():
            found.append((opened[0], line.end()))
            opened = None
    return [*found, (opened[0], len(text))] if opened else found


def _inline_code(text: str) -> list[tuple[int, int]]:
    """Find code spans (CommonMark section 6.1): two runs of backticks of one length, within one paragraph."""
    found: list[tuple[int, int]] = []
    start = 0
    for stop in [*(m.start() for m in _PARAGRAPH_END.finditer(text)), len(text)]:
        found += _code_spans([m.span() for m in _TICKS.finditer(text, start, stop)])
        start = stop
    return found


def _code_spans(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pair each run of backticks with the next one of its length; the runs between the two are code."""
    partners: list[int] = [0] * len(runs)
    nearest: dict[int, int] = {}
    for index in reversed(range(len(runs))):
        length = runs[index][1] - runs[index][0]
        partners[index] = nearest.get(length, -1)
        nearest[length] = index
    found, index = [], 0
    while index < len(runs):
        if partners[index] >= 0:
            found.append((runs[index][0], runs[partners[index]][1]))
        index = max(index, partners[index]) + 1
    return found


def _blank(text: str, places: list[tuple[int, int]]) -> str:
    """Replace places (in order, apart from each other) by as many blanks; line ends stay."""
    parts, last = [], 0
    for start, end in places:
        parts += [text[last:start], "\n".join(BLANK * len(line) for line in text[start:end].split("\n"))]
        last = end
    return "".join([*parts, text[last:]])
