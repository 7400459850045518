"""The values found in one case and what stands for them. One vault serves one case and is forgotten."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heapreplace

from checks.digits import digits_of
from exporters.dataset import placeholders, spelling
from exporters.dataset.fakes import Fake, Fakes

MAX_VALUES = 1000
"""Different values in one case. More is a data dump and no example, and replacing takes text times values."""

SHORT = 6
"""Values of fewer characters are replaced as whole words only: they could be part of anything."""


class ValueLimitError(Exception):
    """The case holds more different values than one example can."""


@dataclass(frozen=True, slots=True)
class _Issued:
    """What stands for one value, in whatever spelling."""

    entity: str
    tag: str
    fake: Fake | None


class Vault:
    """Gives each value its placeholder ``<ENTITY_N>``, N counting from 1 in the order in which values are learned.

    ``texts`` are all of the case's: a placeholder that stands there already is not given out again. ``fakes`` makes a
    fake beside it, where there is one of that kind.
    """

    def __init__(self, texts: Sequence[str], fakes: Fakes | None = None) -> None:
        self._texts = texts
        self._fakes = fakes
        self._counts: Counter[str] = Counter()
        self._by_key: dict[str, _Issued] = {}
        self._tags: set[str] = set()
        self._usual: set[str] = set()
        self._written: dict[str, _Issued] = {}
        self._longest_first: list[str] = []
        self._worn: list[str] = []

    @property
    def entities(self) -> frozenset[str]:
        """The kinds of data that got a placeholder."""
        return frozenset(issued.entity for issued in self._by_key.values())

    def learn(self, found: Iterable[tuple[str, str]]) -> None:
        """Take in ``(entity, value)`` pairs. Two ways to write one value share their placeholder.

        Raises:
            ValueLimitError: there are more than ``MAX_VALUES`` of them.
        """
        for entity, value in found:
            key = spelling.key(entity, value)
            if key not in self._by_key:
                self._by_key[key] = self._issue(placeholders.name_of(entity), value)
                for number in {key, digits_of(value)} if key.isdigit() else ():
                    self._learn_spellings(entity, number, self._by_key[key])
            self._know(value, self._by_key[key])
            if " " in value and not any(value in text for text in self._texts):
                for written in spelling.before_it_was_readable(self._texts, value):
                    self._know(written, self._by_key[key])
        self._longest_first = sorted(filter(None, self._written), key=len, reverse=True)

    def replace(self, text: str) -> str:
        """``text`` with the tag of each learned value in its place; longer values first, so that none is cut."""
        return self._exchanged(text, lambda value: self._written[value].tag)

    def disguise(self, text: str) -> str:
        """As ``replace``, with fakes where there are."""
        return self._exchanged(text, self._fake_for)

    def masked(self, text: str) -> str:
        """``text`` of the same length with what the vault itself put there blanked: that is no find."""
        if self._tags and "<" in text:
            text = placeholders.TAG.sub(lambda m: " " * len(m[0]) if m[0] in self._tags else m[0], text)
        for fake in self._worn:
            if fake in text:
                text = text.replace(fake, " " * len(fake))
        return text

    def _exchanged(self, text: str, stand_in: Callable[[str], str]) -> str:
        """``text`` with what stands for each learned value; of those in one place the first, then the longest.

        No pattern does it: to compile one for each case takes ten times as long.
        """
        # The first character rules out most, and takes no time.
        present = [value for value in self._longest_first if value[:1] in text and value in text]
        if not present:
            return text
        ahead = [(at, n) for n, value in enumerate(present) if (at := _find(text, value, 0)) >= 0]
        heapify(ahead)
        parts, done = [], 0
        while ahead:
            at, n = ahead[0]
            value = present[n]
            if at >= done:
                parts += [text[done:at], stand_in(value)]
                done = at + len(value)
            following = _find(text, value, done)
            if following < 0:
                heappop(ahead)
            else:
                heapreplace(ahead, (following, n))
        return "".join([*parts, text[done:]])

    def _fake_for(self, value: str) -> str:
        issued = self._written[value]
        if issued.fake is None:
            return issued.tag
        fake = issued.fake.like(value)
        if fake not in self._worn:
            self._worn = sorted([*self._worn, fake], key=len, reverse=True)
        return fake

    def _learn_spellings(self, entity: str, number: str, issued: _Issued) -> None:
        """Also know a value as the case spells it elsewhere, where nothing tells the finder what it is."""
        if len(number) < spelling.SHORTEST:
            return
        for text, digits in zip(self._texts, self._digits, strict=True):
            if number in digits:
                for value in spelling.spellings_in(text, entity, number):
                    self._know(value, issued)

    @cached_property
    def _taken(self) -> set[str]:
        return {tag[0] for text in self._texts if "<" in text for tag in placeholders.TAG.finditer(text)}

    @cached_property
    def _digits(self) -> list[str]:
        return [digits_of(text) for text in self._texts]

    def _know(self, value: str, issued: _Issued) -> None:
        self._written[value] = issued
        if len(self._written) > MAX_VALUES:
            raise ValueLimitError(f"more than {MAX_VALUES} different values of personal data in one case")

    def _issue(self, entity: str, value: str) -> _Issued:
        """The next placeholder of its kind, but for those that the case holds already."""
        while True:
            self._counts[entity] += 1
            tag = placeholders.tag(entity, self._counts[entity])
            fake = self._fakes.make(entity, self._counts[entity], value) if self._fakes else None
            if tag in self._taken or (fake is not None and not self._is_new(fake.usual)):
                continue
            self._tags.add(tag)
            if fake is not None:
                self._usual.add(fake.usual)
            return _Issued(entity, tag, fake)

    def _is_new(self, fake: str) -> bool:
        return fake not in self._usual and not any(fake in text for text in self._texts)


def _find(text: str, value: str, start: int) -> int:
    """Where the value is next, -1 if nowhere. A short one is a whole word."""
    at = text.find(value, start)
    while at >= 0 and len(value) < SHORT and _is_in_word(text, at, at + len(value)):
        at = text.find(value, at + 1)
    return at


def _is_in_word(text: str, start: int, end: int) -> bool:
    beside = text[max(0, start - 1) : start], text[end : end + 1]
    return any(char.isalnum() or char == "_" for char in beside)
