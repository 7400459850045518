"""Personal data out of a case: every value becomes a placeholder, the same one wherever it stands in the case.

Works on the case's public JSON shape, so that what is scanned is what is written. Values are *learned* from what the
finder reports anywhere in the case, then replaced *everywhere*: a number that is recognised beside the word "phone" is
gone from the tool call that holds it without a word, too. Rounds of this go on until a scan of the whole case, field by
field and as one written line, finds nothing; if that does not come about, there is no case.

presidio-anonymizer is not used here. It replaces by offsets within one text and from the end backwards; a case needs
the contrary: one numbering across many texts in reading order, replacement where the analyzer itself saw nothing, and
respect for the tokens of JSON texts. What would be left of it is slicing a string, for a second of start-up time.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from exporters.dataset import jsontext
from exporters.dataset.case import Case
from exporters.dataset.shape import from_json, to_json
from exporters.dataset.vault import ValueLimitError, Vault

ROUNDS = 5
"""A second round is normal (a value learned from its neighbourhood), a third rare; more mean that it will not end."""

MAX_NESTING = 8
"""JSON texts within strings of JSON texts: levels that are opened."""

CAPTURED = {
    "": ("input", "context", "expectedToolCalls", "forbiddenToolCalls", "actualOutput"),
    "expected": ("answer", "value", "mustMention", "mustNotMention", "jsonSchema", "relevantDocuments", "rubric"),
    "metadata": ("service", "model", "tags", "split"),
}
"""The parts of a case's JSON shape that hold captured text. The rest (ids, names of checks) is sidecheck's own."""

OWN_KEYS = frozenset(
    [
        *("documents", "id", "content", "text", "source", "title", "score", "system", "messages", "role", "name"),
        *("media", "toolCalls", "toolCallId", "arguments", "refusal", "tools", "description", "parameters"),
    ]
)
"""Keys of the captured parts of a case's JSON shape: always the same, and so no data."""

_CONTROL = re.compile("[\x00-\x1f]")
"""What JSON would escape, with quotes and backslashes: an escape's letter would join the word behind it."""


class Match(Protocol):
    """A place in a text that holds personal data; ``end`` is exclusive, both count code points."""

    @property
    def start(self) -> int:
        """Offset of the first character."""
        ...

    @property
    def end(self) -> int:
        """Offset behind the last character."""
        ...

    @property
    def entity(self) -> str:
        """Its type, as ``EMAIL_ADDRESS``."""
        ...


Finder = Callable[[str], Sequence[Match]]


class RedactionFailed(Exception):
    """Personal data could not be removed for certain, so there must be no case. The text names types, never values."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces personal data in cases. ``find`` tells where it is: in the product, ``PiiEngine().find``."""

    find: Finder

    def __call__(self, case: Case, known: Iterable[tuple[str, str]] = ()) -> Case:
        """``case`` with every value replaced by ``<ENTITY_N>``, its ``redacted`` naming the entity types.

        Args:
            case: as it was captured.
            known: ``(entity, value)`` of personal data already found, replaced even where ``find`` misses it.

        Raises:
            RedactionFailed: something is still found after the last round, or there is too much to be an example.
        """
        shape = to_json(case)
        texts = _captured(shape)
        vault = Vault(given := _texts(texts))
        clean = _Redaction(self.find, vault).clean(texts, given, known)
        if clean is texts:
            return case  # what will be written of it is what was scanned
        made = _with_captured(shape, clean)
        made["metadata"]["redacted"] = sorted({*case.redacted, *vault.entities})
        return from_json(made)


@dataclass(frozen=True, slots=True)
class _Redaction:
    """The redaction of one case. ``quiet`` are the texts in which nothing was found: most, and no round changes one."""

    find: Finder
    vault: Vault
    quiet: set[str] = field(default_factory=lambda: set(OWN_KEYS))

    def clean(self, texts: list[Any], given: Iterable[str], known: Iterable[tuple[str, str]]) -> list[Any]:
        """``texts`` with everything replaced that is known or that a scan of them finds, until a scan finds nothing.

        ``given`` are ``_texts`` of them. One that is all known need not be looked at.
        """
        known = list(known)
        values = {value for _, value in known}
        found = [*self.scan(texts, [text for text in given if text not in values]), *known]
        for _ in range(ROUNDS):
            if not found:
                return texts
            texts = self.replaced(texts, found)
            found = self.scan(texts, _texts(texts))
        if found:
            entities = ", ".join(sorted({entity for entity, _ in found}))
            raise RedactionFailed(f"after {ROUNDS} rounds the case still holds {entities}")
        return texts

    def replaced(self, texts: list[Any], found: Iterable[tuple[str, str]]) -> list[Any]:
        """``texts`` with every value replaced that is in ``found`` or was so before."""
        try:
            self.vault.learn(found)
        except ValueLimitError as error:
            raise RedactionFailed(str(error)) from None
        changed: list[Any] = _mapped(texts, self.vault.replace)
        return changed

    def scan(self, texts: list[Any], written: Iterable[str]) -> list[tuple[str, str]]:
        """What is found in each text ``written`` in them; only where that is nothing, in the line as a whole."""
        found: list[tuple[str, str]] = []
        for text in dict.fromkeys(written):  # a case holds many of its texts twice
            if text not in self.quiet:
                found_here = [match for view in _views(text) for match in self.matches(view)]
                found += found_here
                if not found_here:
                    self.quiet.add(text)
        return found or self.matches(_line(texts))

    def matches(self, view: str) -> list[tuple[str, str]]:
        """``(entity, value)`` in order of place; matches that overlap are one, of the type that starts first."""
        view = self.vault.masked(view)
        found = self.find(view)
        if not found:
            return []
        spans: list[tuple[int, int, str]] = []
        for match in sorted(found, key=lambda m: (m.start, -m.end)):
            if spans and match.start < spans[-1][1]:
                start, end, entity = spans[-1]
                spans[-1] = (start, max(end, match.end), entity)
            else:
                spans.append((match.start, match.end, match.entity))
        return [(entity, value) for start, end, entity in spans if (value := view[start:end].strip())]


def _captured(shape: Mapping[str, Any]) -> list[Any]:
    return [_under(shape, name)[key] for name, keys in CAPTURED.items() for key in keys]


def _with_captured(shape: Mapping[str, Any], texts: Iterable[Any]) -> dict[str, Any]:
    """``shape`` with its captured parts exchanged for ``texts``, in the order of ``_captured``."""
    written = {**shape, "expected": {**shape["expected"]}, "metadata": {**shape["metadata"]}}
    places = [(name, key) for name, keys in CAPTURED.items() for key in keys]
    for (name, key), value in zip(places, texts, strict=True):
        _under(written, name)[key] = value
    return written


def _under(shape: Any, name: str) -> Any:
    return shape[name] if name else shape


def _views(text: str, level: int = MAX_NESTING) -> Sequence[str]:
    """What a reader of ``text`` sees: itself, and the decoded strings where it is a JSON text."""
    # Without an escape a JSON text reads as it is written.
    if "\\" not in text or level == 0 or not jsontext.is_json(text):
        return (text,)
    inside = (view for string in jsontext.escaped_strings(text) for view in _views(string, level - 1))
    return (jsontext.without_escapes(text), *inside)


def _replaced(text: str, change: Callable[[str], str], level: int = MAX_NESTING) -> str:
    changed = change(text)
    if changed == text and "\\" not in text:
        return text
    if level == 0 or not jsontext.is_json(text):
        return changed
    return jsontext.rewrite(text, lambda value: _replaced(value, change, level - 1))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with ``change`` applied to all text in it, keys too; an integer that changes becomes a string."""
    if isinstance(value, str):
        return _replaced(value, change)
    if isinstance(value, dict):
        return {_replaced(key, change): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        changed = change(str(value))
        return value if changed == str(value) else changed
    return value


def _texts(value: Any) -> list[str]:
    """Every text that ``_mapped`` would change, in reading order."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:
    kind = type(value)  # `plain` leaves hardly any but these
    if kind is str:
        found.append(value)
    elif kind is dict:
        for key, item in value.items():
            found.append(key)
            if type(item) is str:
                found.append(item)
            elif item is not None:
                _collect(item, found)
    elif kind is list:
        for item in value:
            _collect(item, found)
    elif isinstance(value, str):
        found.append(value)
    elif isinstance(value, int) and kind is not bool:
        found.append(str(value))


def _line(value: Any) -> str:
    """The case as one line of JSON, for what only its neighbourhood gives away.

    What would have to be escaped is a space here. Scores are left out: digits and no data.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: Any, parts: list[str]) -> None:
    kind = type(value)
    if kind is dict:
        sign = "{"
        for key, item in value.items():
            if type(item) is str:
                parts.append(f'{sign}"{_readable(key)}": "{_readable(item)}"')
            else:
                parts.append(f'{sign}"{_readable(key)}": ')
                _write(item, parts)
            sign = ", "
        parts.append("}" if value else "{}")
    elif kind is list:
        sign = "["
        for item in value:
            parts.append(sign)
            _write(item, parts)
            sign = ", "
        parts.append("]" if value else "[]")
    elif isinstance(value, str):
        parts.append(f'"{_readable(value)}"')
    else:
        parts.append("null" if value is None or isinstance(value, float) else json.dumps(value))


def _readable(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.replace('"', " ").replace("\\", " ")
    return text if text.isprintable() else _CONTROL.sub(" ", text)
