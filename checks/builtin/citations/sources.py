"""What was retrieved, as far as a citation can name it: how many documents, and by which ids, sources and titles."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from checks.builtin.citations.text import narrow
from checks.interaction import Document, Interaction
from checks.lazy import lazy

_LONGEST_NAME = 500
_SHORTEST_PART = 4
"""Characters from which on a name counts as found inside a longer text ("Refund policy, section 3")."""

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`\[\]【】]{1,2000}", re.IGNORECASE)
_URL_START = re.compile(r"https?://(?:www\.)?|www\.", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_NUMBERED = re.compile(r"([^\W\d_]{1,40})([-_:/.#]?)(?=[\w:/.#-]{1,100}\Z)(?:\D{0,100})\d")
_SPACE = re.compile(r"\s")
_EXTENSION = re.compile(r"[^\s/]\.([A-Za-z][A-Za-z0-9]{0,5})\Z")
_QUOTES = " \t\"'`*_()[]【】<>.,;:"


@dataclass(frozen=True)
class Sources:
    """The retrieved documents of one interaction.

    ``count`` is how many were retrieved, repeated ones too: a prompt that joins two searches numbers them all.
    """

    count: int
    documents: tuple[Document, ...] = field(default=())

    @classmethod
    def of(cls, interaction: Interaction) -> "Sources":
        """Collect what an interaction retrieved."""
        documents = tuple(d for retrieval in interaction.retrievals for d in retrieval.documents)
        return cls(len(documents), documents)

    @lazy
    def names(self) -> frozenset[str]:
        """The ids and sources, and the file names of those that are paths."""
        return frozenset([name for document in self.documents for name in _names(document)])

    def plain_in(self, text: str) -> list[str]:
        """The ids and sources that ``text`` holds, if they can be told from ordinary words there; long ones first."""
        names = {plain for name in self.names if (plain := narrow(name)) in text and _is_distinctive(name)}
        return sorted(names, key=lambda name: (-len(name), name))

    @lazy
    def known(self) -> frozenset[str]:
        """Every id, source, address and title, in the form that ``fold`` gives."""
        titles = (d.title for d in self.documents if isinstance(d.title, str) and 0 < len(d.title) <= _LONGEST_NAME)
        return frozenset(map(fold, (*self.names, *titles))) - {""}

    @lazy
    def are_named(self) -> bool:
        """Whether every document has a source or a title: only then an unknown name was surely not retrieved."""
        return bool(self.documents) and all(d.source or d.title for d in self.documents)

    @lazy
    def have_addresses(self) -> bool:
        """Whether any document's source is a web address."""
        return any(map(_URL_START.match, self.names))

    @lazy
    def _shapes(self) -> frozenset[str]:
        return frozenset(map(_shape, self.names)) - {""}

    @lazy
    def _contents(self) -> tuple[str, ...]:
        return tuple(narrow(d.content).casefold() for d in self.documents if isinstance(d.content, str))

    def knows(self, name: str) -> bool:
        """Whether ``name`` is exactly an id, source, address or title."""
        return fold(name) in self.known

    def mentions(self, text: str) -> bool:
        """Whether ``text`` holds a known name, or is itself said by a document (a chunk's heading, say)."""
        folded = fold(text)
        if folded in self.known or any(len(n) >= _SHORTEST_PART and n in folded for n in self.known):
            return True
        return len(folded) >= _SHORTEST_PART and any(folded in content for content in self._contents)

    def looks_like_name(self, text: str) -> bool:
        """Whether ``text`` is built as the ids and sources here are (``doc-9`` beside ``doc-1``), known or not."""
        shape = _shape(text)
        return bool(shape) and not _SPACE.search(text) and shape in self._shapes


def fold(name: str) -> str:
    """Return the form in which names are compared: without case, quotes, scheme, ``www.``, fragment, closing slash."""
    folded = narrow(name).casefold().strip(_QUOTES)
    start = _URL_START.match(folded)
    if start is None:
        return folded
    return folded[start.end() :].partition("#")[0].rstrip("/")


def addresses(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the places of web addresses, without the punctuation of the sentence around them."""
    for found in _URL.finditer(text, start):
        address = found.group().rstrip(".,;:!?*_。")
        if "(" not in address:
            address = address.partition(")")[0]
        yield found.start(), found.start() + len(address)


def _names(document: Document) -> Iterator[str]:
    for name in (document.id, document.source):
        if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME:
            yield name
            yield from _last_part(name)


def _last_part(name: str) -> Iterable[str]:
    """Return a path's file name (``audit.md`` of ``kb/audit.md``); other last parts are too short to mean the path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return (last,) if last != name and _EXTENSION.search(last) else ()


def _is_distinctive(name: str) -> bool:
    has_letter = any(c.isalpha() for c in name)
    return len(name) >= 3 and has_letter and any(not c.isalpha() and not c.isspace() for c in name)


def _shape(name: str) -> str:
    """Return what names of one making have in common; empty where a name tells nothing of its making."""
    name = narrow(name).casefold()
    if _UUID.fullmatch(name):
        return "uuid"
    extension = _EXTENSION.search(name)
    if extension and not _URL_START.match(name):
        return f"file.{extension.group(1)}"
    # A number alone is no name, and a word without a number may be any word.
    numbered = _NUMBERED.match(name)
    return "".join(numbered.groups()) + "#" if numbered else ""
