"""RFC 8259, read strictly and without recursion: where a text leaves the grammar, and whether it merely ends too early.

Owns the grammar alone. ``json`` of the standard library is the fast reader of good texts (``json_text``); this one is
for telling *where* and *why*, at any depth, and for finding the place of a value again.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

MAX_DEPTH = 200
"""Levels of nesting that are read. RFC 8259 section 9 lets a parser set a limit; usual are 128 (serde) to 1000."""

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CUT_NUMBER = re.compile(r"-\Z|-?(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?[eE][+-]?)\Z")
_STRING_BODY = re.compile(r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_WORD = re.compile(r"[A-Za-z]{1,16}")
_LITERALS = ("true", "false", "null")

_S = r"[ \t\n\r]*+"
_SCALAR = rf'(?:"{_STRING_BODY.pattern}"|{_NUMBER.pattern}|{"|".join(_LITERALS)})'
_PAIR = rf'"{_STRING_BODY.pattern}"{_S}:{_S}{_SCALAR}{_S}'
_FLAT = rf"(?:{_SCALAR}|\{{{_S}(?:{_PAIR}(?:,{_S}{_PAIR})*+)?\}}|\[{_S}(?:{_SCALAR}{_S}(?:,{_S}{_SCALAR}{_S})*+)?\])"
# Items and members that are whole, right, and no deeper than one level, each with the comma behind it.
_FLAT_ITEMS = re.compile(rf"(?:{_FLAT}{_S},{_S})++")
_FLAT_MEMBERS = re.compile(rf'(?:"{_STRING_BODY.pattern}"{_S}:{_S}{_FLAT}{_S},{_S})++')


class Kind(Enum):
    """What an event is about. ``KEY`` and ``SCALAR`` are whole tokens; ``END`` closes the innermost container."""

    OBJECT = "object"
    ARRAY = "array"
    KEY = "key"
    SCALAR = "scalar"
    END = "end"


@dataclass(frozen=True, slots=True)
class Event:
    """A token of a JSON text at the code points ``start`` to ``end``."""

    kind: Kind
    start: int
    end: int


class GrammarError(ValueError):
    """The text is not JSON from ``start`` on. ``ends_early``: all of it is the beginning of some JSON text.

    The message is a sentence about the grammar and holds nothing of the text.
    """

    def __init__(self, start: int, reason: str, *, ends_early: bool = False) -> None:
        super().__init__(reason)
        self.start = start
        self.ends_early = ends_early


def events(text: str) -> Iterator[Event]:
    """Yield the tokens of a JSON text in order.

    Raises:
        GrammarError: At the first place where ``text`` is not JSON (RFC 8259), or is nested deeper than ``MAX_DEPTH``.
    """
    scanner = _Scanner(text)
    state: _State | None = scanner.value
    while state is not None:
        scanner.skip_space()
        event, state = state()
        if event is not None:
            yield event


def diagnose(text: str) -> GrammarError | None:
    """Return what makes ``text`` no JSON, ``None`` where it is JSON."""
    scanner = _Scanner(text)
    state: _State | None = scanner.value
    try:
        while state is not None:
            scanner.skip_space()
            _, state = scanner.past_flat(state)()
    except GrammarError as problem:
        return problem
    return None


_State = Callable[[], "_Step"]
_Step = tuple[Event | None, _State | None]


class _Scanner:
    """A position in a text and the containers open there. Each state reads one token and names the next state."""

    __slots__ = ("open", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.open: list[str] = []

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.pos)
        self.pos = found.end() if found else self.pos

    def past_flat(self, state: "_State") -> "_State":
        """Pass over what is plainly right, all at once, and return the state behind it: the fault lies further on."""
        if len(self.open) == MAX_DEPTH:
            return state
        behind: _State
        if state in (self.first_item, self.next_item):
            flat, behind = _FLAT_ITEMS.match(self.text, self.pos), self.next_item
        elif state in (self.first_key, self.next_key):
            flat, behind = _FLAT_MEMBERS.match(self.text, self.pos), self.next_key
        else:
            return state
        if flat is None:
            return state
        self.pos = flat.end()
        return behind

    def value(self) -> "_Step":
        char = self._peek("a value")
        if char in "{[":
            return self._begin(char)
        if char == '"':
            return self._take(Kind.SCALAR, self._string_end()), self.after_value
        if char in "-0123456789":
            return self._take(Kind.SCALAR, self._number_end()), self.after_value
        return self._take(Kind.SCALAR, self._literal_end()), self.after_value

    def first_item(self) -> "_Step":
        return self._end() if self._peek("an item or ]") == "]" else self.value()

    def next_item(self) -> "_Step":
        if self._peek("an item") == "]":
            self._fail("a comma stands before the closing bracket")
        return self.value()

    def first_key(self) -> "_Step":
        return self._end() if self._peek("a key or }") == "}" else self._key()

    def next_key(self) -> "_Step":
        if self._peek("a key") == "}":
            self._fail("a comma stands before the closing brace")
        return self._key()

    def colon(self) -> "_Step":
        if self._peek("a colon") != ":":
            self._fail("a key is not followed by a colon")
        self.pos += 1
        return None, self.value

    def after_value(self) -> "_Step":
        if not self.open:
            return self._at_end()
        is_array = self.open[-1] == "["
        char = self._peek("a comma or the closing bracket")
        if char == ",":
            self.pos += 1
            return None, self.next_item if is_array else self.next_key
        if char == ("]" if is_array else "}"):
            return self._end()
        return self._fail(_why_not_separator(self.text, self.pos))

    def _at_end(self) -> "_Step":
        if self.pos == len(self.text):
            return None, None
        return self._fail(_why_not_separator(self.text, self.pos, at_top=True))

    def _key(self) -> "_Step":
        if self.text[self.pos] != '"':
            self._fail(_why_not_value(self.text, self.pos, "a key is not a string in double quotes"))
        return self._take(Kind.KEY, self._string_end()), self.colon

    def _begin(self, char: str) -> "_Step":
        if len(self.open) == MAX_DEPTH:
            self._fail(f"it is nested deeper than {MAX_DEPTH} levels")
        self.open.append(char)
        if char == "{":
            return self._take(Kind.OBJECT, self.pos + 1), self.first_key
        return self._take(Kind.ARRAY, self.pos + 1), self.first_item

    def _end(self) -> "_Step":
        self.open.pop()
        return self._take(Kind.END, self.pos + 1), self.after_value

    def _take(self, kind: Kind, end: int) -> Event:
        event = Event(kind, self.pos, end)
        self.pos = end
        return event

    def _peek(self, wanted: str) -> str:
        if self.pos == len(self.text):
            self._fail(f"the text ends where {wanted} must come", ends_early=True)
        return self.text[self.pos]

    def _string_end(self) -> int:
        body = _STRING_BODY.match(self.text, self.pos + 1)
        end = body.end() if body else self.pos + 1
        if self.text[end : end + 1] == '"':
            return end + 1
        self.pos = end
        if end == len(self.text) or _CUT_ESCAPE.match(self.text, end):
            self._fail("the text ends within a string", ends_early=True)
        if self.text[end] == "\\":
            self._fail("a string holds an escape that JSON does not know")
        return self._fail("a string holds a control character that is not escaped")

    def _number_end(self) -> int:
        if _CUT_NUMBER.match(self.text, self.pos):
            self._fail("the text ends within a number", ends_early=True)
        number = _NUMBER.match(self.text, self.pos)
        return number.end() if number else self._fail(_why_not_value(self.text, self.pos))

    def _literal_end(self) -> int:
        for literal in _LITERALS:
            if self.text.startswith(literal, self.pos):
                return self.pos + len(literal)
        rest = self.text[self.pos : self.pos + 5]
        if self.pos + len(rest) == len(self.text) and any(literal.startswith(rest) for literal in _LITERALS):
            self._fail("the text ends within a literal", ends_early=True)
        return self._fail(_why_not_value(self.text, self.pos))

    def _fail(self, reason: str, *, ends_early: bool = False) -> NoReturn:
        raise GrammarError(self.pos, reason, ends_early=ends_early)


_WORDS = {
    **dict.fromkeys(("NaN", "Infinity", "nan", "inf"), "NaN and Infinity are not JSON"),
    **dict.fromkeys(("None", "True", "False", "undefined"), "the literals of JSON are true, false and null"),
}
_MARKS = {
    "'": "strings take double quotes",
    "/": "JSON has no comments",
    "#": "JSON has no comments",
    "`": "there is a code fence where a value must come",
    "\ufeff": "there is a byte order mark before the value",
    ",": "there is a comma where a value must come",
    "\u201c": "strings take straight double quotes",
}


def _why_not_value(text: str, pos: int, otherwise: str = "there is text where a value must come") -> str:
    """Say which well-known mistake stands at ``pos``, where a value must come."""
    start = pos + 1 if text[pos] == "-" else pos
    word = _WORD.match(text, start)
    return _WORDS.get(word.group() if word else "") or _MARKS.get(text[pos], otherwise)


def _why_not_separator(text: str, pos: int, *, at_top: bool = False) -> str:
    """Say which well-known mistake stands at ``pos``, behind a complete value."""
    if text[pos] in "/#":
        return _MARKS["/"]
    if text[pos].isdigit() and text[pos - 1] == "0":
        return "a number begins with a zero"
    return "there is text after the value" if at_top else "a comma or the closing bracket is missing"
